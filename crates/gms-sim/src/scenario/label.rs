//! What a datagram is called, so that a scenario can single it out.

use std::fmt::{self, Write};

use bytes::Bytes;
use gms_core::wire::{Control, Envelope, Kind, Limits};

/// The name of a kind of datagram: of the control message in it, or of its kind.
pub type Label = &'static str;

/// Control messages of the protocol that scenarios single out, those of the view change more than once so that they
/// are drawn more often.
pub(super) const STRUCK: [Label; 29] = [
    "Accept",
    "Accepted",
    "Install",
    "InstallAck",
    "Suspect",
    "Prepare",
    "Promise",
    "Accept",
    "Accepted",
    "Install",
    "Suspect",
    "Prepare",
    "Promise",
    "PromiseNo",
    "Release",
    "ViewRequest",
    "Excluded",
    "Nack",
    "Gone",
    "JoinRequest",
    "JoinChallenge",
    "JoinProof",
    "JoinRedirect",
    "LeaveRequest",
    "Repair",
    "Ordered",
    "Forward",
    "Ack",
    "Heartbeat",
];

/// Whether these are sent all the time.
pub(super) fn is_data(label: Label) -> bool {
    ["Ordered", "Forward", "Ack", "Heartbeat", "Repair"].contains(&label)
}

/// A datagram as far as the simulator looks into it.
pub(crate) struct Inside {
    pub(crate) envelope: Envelope,
    pub(crate) control: Option<Control>,
}

impl Inside {
    /// Looks into a datagram of gms-core; `None` for those of the other layers.
    pub(crate) fn of(datagram: &Bytes) -> Option<Self> {
        let limits = Limits::default();
        let (envelope, body) = Envelope::decode(datagram.clone(), &limits).ok()?;
        let control = match Kind::from_byte(envelope.kind)? {
            Kind::Control => Control::decode(&body, &limits).ok(),
            _ => None,
        };
        Some(Self { envelope, control })
    }

    /// Whether this is what `label` names.
    pub(crate) fn is(&self, label: Label) -> bool {
        match &self.control {
            Some(control) => is_called(control, label),
            None => Kind::from_byte(self.envelope.kind).is_some_and(|kind| is_called(&kind, label)),
        }
    }
}

/// Whether the variant of `value` is called `label`, whatever is in it.
fn is_called(value: &impl fmt::Debug, label: Label) -> bool {
    let mut name = Name { rest: label, differs: false };
    // Stops, with an error, as soon as the name is over.
    let _ = write!(name, "{value:?}");
    !name.differs && name.rest.is_empty()
}

/// Compares what is written to it with the name expected, up to the end of the first word.
struct Name {
    rest: &'static str,
    differs: bool,
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if !letter.is_alphanumeric() {
                return Err(fmt::Error);
            }
            match self.rest.strip_prefix(letter) {
                Some(rest) => self.rest = rest,
                None => {
                    self.differs = true;
                    return Err(fmt::Error);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_known_by_their_names() {
        let nack = Control::Nack { ranges: vec![(1, 2)] };
        assert!(is_called(&nack, "Nack") && !is_called(&nack, "Nac") && !is_called(&nack, "Nacks"));
        assert!(is_called(&Control::ViewRequest, "ViewRequest") && !is_called(&Control::ViewRequest, "View"));
        assert!(is_called(&Kind::Ordered, "Ordered"));
    }
}
