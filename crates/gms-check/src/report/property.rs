//! The properties checked.

use std::fmt;

macro_rules! properties {
    ($($id:ident $name:literal $text:literal)*) => {
        /// A property that is checked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Property {
            $(#[doc = $text] $id,)*
        }

        impl Property {
            /// All of them.
            pub const ALL: [Property; [$($name),*].len()] = [$(Property::$id),*];

            /// The id, as `"P9"`.
            pub fn id(self) -> &'static str {
                match self { $(Property::$id => stringify!($id),)* }
            }

            /// The name, as `"Virtual synchrony"`.
            pub fn name(self) -> &'static str {
                match self { $(Property::$id => $name,)* }
            }
        }
    };
}

properties! {
    P1 "View chain" "**P1** One view per lineage and number, accepted by a quorum of the view before it."
    P2 "Self-inclusion" "**P2** A process installs only views that it is in."
    P3 "Local monotony" "**P3** View numbers at a process are consecutive; nothing is delivered after the end."
    P4 "One leader per view"
        "**P4** Only the view's leader stamps in it, and nothing of a view is delivered after the next one."
    P5 "Integrity" "**P5** What is delivered was sent."
    P6 "No duplication" "**P6** A process delivers a message at most once."
    P7 "Sender in view" "**P7** The sender is a member of the view of delivery."
    P8 "Same-view delivery" "**P8** All deliver a message in the same view at the same place."
    P9 "Virtual synchrony" "**P9** Who goes from one view to the next together delivered the same in between."
    P10 "Total order, no gaps" "**P10** Places are handled densely, and hold the same for all."
    P11 "FIFO without holes" "**P11** The messages of one sender are handled in order, none skipped."
    P12 "Causal order" "**P12** A message comes after all that its sender had delivered before sending it."
    P13 "Uniform agreement" "**P13** What one process delivers at a uniform level is in the history of all."
    P14 "Uniform order" "**P14** A place holds one message for all uniform deliveries ever."
    P15 "Bounded divergence of Agreed"
        "**P15** Only a process that is never again in a view may have delivered what is lost."
    P16 "Honest outcome" "**P16** What a sender is told of its message is true."
    P17 "Sending-view option" "**P17** A message for one view only is delivered in it or reported as not ordered."
    P22 "Bounded memory" "**P22** Queues and tables stay within their caps."
    P23 "Convergence" "**P23** After the faults, all that can go on are in one view of exactly them."
    P24 "Delivery liveness" "**P24** After the faults, every send of a member gets its outcome."
    P25 "No needless change" "**P25** Without a fault nobody is excluded."
    P26 "Client sessions"
        "**P26** A client's message is delivered at most once, in the order of its session, and is where it is told to be."
    P27 "One history per name"
        "**P27** What one lineage has acknowledged stands in every lineage of the name that serves later."
    P28 "Honest exile" "**P28** A process that is in no view acknowledges and delivers nothing."
}

impl Property {
    /// Which of several breaches at one place tells most: the lowest.
    pub(crate) fn rank(self) -> u8 {
        use Property::*;
        match self {
            P1 => 0,
            P2 => 1,
            P5 => 2,
            P6 => 3,
            P10 => 4,
            P8 => 5,
            P4 => 6,
            P3 => 7,
            P7 => 8,
            P11 => 9,
            P12 => 10,
            P17 => 11,
            P16 => 12,
            P15 => 13,
            P14 => 14,
            P13 => 15,
            P9 => 16,
            P22 => 17,
            P25 => 18,
            P23 => 19,
            P24 => 20,
            P26 => 21,
            P27 => 22,
            P28 => 23,
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
