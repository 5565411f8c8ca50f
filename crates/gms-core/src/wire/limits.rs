//! One budget for everything that arrives: each count and length is compared with it before
//! anything is allocated for it.

/// Caps on decoding and on the buffers that fill from the network.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Bytes of one datagram.
    pub datagram: usize,
    /// Bytes of one control message, by stream.
    pub control: usize,
    /// Entries in one frame.
    pub entries: u16,
    /// Bytes of one message.
    pub message: u32,
    /// Members of one view.
    pub members: usize,
    /// Subgroups one message is addressed to.
    pub addressed: u8,
    /// Ranges in one NACK.
    pub ranges: usize,
    /// Bytes of a group name.
    pub name: usize,
    /// Joiners in progress.
    pub joiners: usize,
    /// Frames of one sender that wait at the leader for an earlier one, or for the window.
    pub hold_frames: usize,
    /// Datagrams of a view not installed yet.
    pub early_datagrams: usize,
    /// Repairs queued for one requester.
    pub repairs: usize,
    /// Decided views kept to answer members that lag behind.
    pub decided: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            datagram: 65_507,
            control: 1 << 20,
            entries: 512,
            message: 64 << 20,
            members: 256,
            addressed: 64,
            ranges: 64,
            name: 255,
            joiners: 16,
            hold_frames: 8_192,
            early_datagrams: 4_096,
            repairs: 1_024,
            decided: 16,
        }
    }
}
