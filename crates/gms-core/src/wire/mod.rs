//! What travels: datagrams of one envelope, holding frames of entries or one control message.
//!
//! ```text
//! datagram = envelope (76 B) · frame · frame … · padding      kinds ORDERED, REPAIR, FORWARD
//!          | envelope · nothing                               ACK, and the bare status of an idle leader
//!          | envelope · postcard(Control)                     CONTROL
//! frame    = header (64 B) · entry · entry …                  a dense run of one sender, or one view
//! entry    = flags, length (3 B) · options · payload
//! ```
//!
//! Headers are fixed and little-endian because they are read per frame on the data path; control
//! messages are rare and use postcard, inside the length-checked envelope, with leftovers rejected.

mod control;
mod entry;
mod envelope;
mod frame;
mod limits;
mod successor;

pub use control::{Control, ControlError, JoinRequest, Refusal};
pub use entry::{Addressing, Entries, Entry, EntryError, EntryKind, Level, SessionNumber};
pub(crate) use entry::{entry_len, write_entry};
pub use envelope::{ENVELOPE_LEN, Envelope, EnvelopeError, Kind, VERSION};
pub use frame::{FRAME_HEADER_LEN, Frame, FrameError, FrameFlags, FrameHeader};
pub use limits::Limits;
pub use successor::{Delta, Successor};
