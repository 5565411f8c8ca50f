//! What both wire formats share: postcard, one value a body, nothing left over.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A body that cannot be read, or not be written. Of those received: count and drop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WireError {
    /// Not a message of this version, or bytes left over, or a count over its limit.
    #[error("not a message of this version, or one over its limits")]
    Malformed,
    /// More bytes than any message has.
    #[error("{len} bytes, and no message has more than {limit}")]
    TooLong {
        /// Bytes there are.
        len: usize,
        /// Bytes there may be.
        limit: usize,
    },
    /// A probe that is not padded: its answer could be larger than itself.
    #[error("a probe of {len} bytes: probes have {expected}, so that no answer is larger")]
    Unpadded {
        /// Bytes there are.
        len: usize,
        /// Bytes there have to be.
        expected: usize,
    },
}

/// Reads one value of at most `limit` bytes, and gives what follows it.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8], limit: usize) -> Result<(T, &'a [u8]), WireError> {
    if body.len() > limit {
        return Err(WireError::TooLong { len: body.len(), limit });
    }
    postcard::take_from_bytes(body).map_err(|_| WireError::Malformed)
}

/// Writes one value of at most `limit` bytes.
pub(crate) fn write<T: Serialize>(value: &T, limit: usize) -> Result<Vec<u8>, WireError> {
    let body = postcard::to_stdvec(value).map_err(|_| WireError::Malformed)?;
    if body.len() > limit { Err(WireError::TooLong { len: body.len(), limit }) } else { Ok(body) }
}

/// Reads items one by one and stops at the limit, whatever count the sender claims.
pub(crate) fn short_list<'de, D: Deserializer<'de>, T: Deserialize<'de>, const LIMIT: usize>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct ShortList<T, const LIMIT: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const LIMIT: usize> Visitor<'de> for ShortList<T, LIMIT> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {LIMIT} items")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.len() == LIMIT {
                    return Err(A::Error::invalid_length(LIMIT + 1, &self));
                }
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(ShortList::<T, LIMIT>(PhantomData))
}
