//! Datagrams of the layers beside gms-core: their kind bytes are given out here, their bodies are
//! the layers' own, and all travel in gms-core's envelope.
//!
//! Such a datagram belongs to a group by its *name*, since those who look for a group do not know its
//! lineage yet: where the others have a lineage, it has a digest of the name.

use bytes::Bytes;
use gms_core::wire::{ENVELOPE_LEN, Envelope, EnvelopeError, Limits};
use gms_core::{Gid, Params, Uid};

/// Which layer reads the body. 1–15 belong to gms-core.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(crate) enum Layer {
    /// ANNOUNCE, PROBE, PROBE_REPLY of the directory.
    Directory = 16,
    /// Checks of the failure detector.
    Detector = 17,
    /// ELECTION, OK, COORDINATOR of those who look for a group to create.
    Election = 18,
    /// Questions among servers about what they are in, and the answers.
    Inquiry = 19,
}

impl Layer {
    const ALL: [Self; 4] = [Self::Directory, Self::Detector, Self::Election, Self::Inquiry];

    /// Whose datagram this is; `None` for gms-core's, and for what is no datagram of gms at all.
    pub(crate) fn of(datagram: &[u8]) -> Option<Self> {
        let kind = Envelope::peek_kind(datagram)?;
        Self::ALL.into_iter().find(|layer| *layer as u8 == kind)
    }
}

/// What all members of a group have to have in common, in short.
pub(crate) fn settings_digest(params: &Params) -> u64 {
    let Params {
        datagram: _,
        message_limit,
        reassembly,
        window,
        min_voters,
        sessions,
        quorum,
        ranking,
        preempt,
        heartbeat,
        multicast,
        origin: _,
    } = *params;
    let numbers = [
        message_limit.into(),
        reassembly,
        window.into(),
        min_voters.into(),
        sessions.into(),
        quorum as u64,
        ranking as u64,
        preempt.into(),
        heartbeat.into(),
        multicast.into(),
    ];
    let bytes = numbers.iter().flat_map(|number: &u64| number.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The lineage and the view of a datagram of gms-core.
pub(crate) fn view_of(datagram: &Bytes) -> Option<(Gid, u64)> {
    Envelope::decode(datagram.clone(), &Limits::default()).ok().map(|(envelope, _)| (envelope.gid, envelope.vid))
}

/// The datagram with this body, from `sender`, for the group of this name.
pub(crate) fn enclose(layer: Layer, name: Gid, sender: Uid, body: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::with_capacity(ENVELOPE_LEN + body.len());
    let envelope = Envelope { kind: layer as u8, gid: name, vid: 0, sender, status: [0; 3] };
    envelope.encode(&mut datagram, |out| out.extend_from_slice(body));
    datagram
}

/// Who sent a datagram of the group `name`, and its body; `None` for those of other groups.
pub(crate) fn open(name: Gid, datagram: Bytes) -> Result<Option<(Uid, Bytes)>, EnvelopeError> {
    let (envelope, body) = Envelope::decode(datagram, &Limits::default())?;
    Ok((envelope.gid == name).then_some((envelope.sender, body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_reaches_its_layer_in_its_group_only() {
        let (orders, prices) = (Gid::of_name("orders"), Gid::of_name("prices"));
        assert_ne!(orders, prices);
        let me = Uid::new(3, 9);
        let datagram = Bytes::from(enclose(Layer::Detector, orders, me, b"body"));
        assert_eq!(Layer::of(&datagram), Some(Layer::Detector));
        assert_eq!(open(orders, datagram.clone()), Ok(Some((me, Bytes::from_static(b"body")))));
        assert_eq!(open(prices, datagram), Ok(None));
        assert_eq!(Layer::of(b"gm"), None);
    }

    #[test]
    fn the_digest_of_a_name_is_the_same_everywhere() {
        assert_eq!(Gid::of_name("").0, 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(Gid::of_name("foobar").0, 0x343e_1662_793c_64bf_6f0d_3597_ba44_6f18);
    }
}
