//! A lineage in JSON: text, as people see it everywhere; none is the empty text.

use gms_core::Gid;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) fn serialize<S: Serializer>(gid: &Gid, serializer: S) -> Result<S::Ok, S::Error> {
    match *gid {
        Gid::NONE => serializer.serialize_str(""),
        gid => serializer.collect_str(&gid),
    }
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Gid, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(Gid::NONE) } else { text.parse().map_err(D::Error::custom) }
}
