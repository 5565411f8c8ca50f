//! Whether all who are left have everything, once, in one order.

use super::super::orders::Endured;

/// Counts of what must not be, over all who are left.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Messages that were reported as ordered, and that somebody who is left has not delivered.
    pub(super) lost: u64,
    /// Messages delivered again.
    pub(super) duplicates: u64,
    /// Messages delivered before an earlier one of their sender.
    pub(super) out_of_order: u64,
    /// The first thing that was wrong, in words.
    pub(super) why: Option<String>,
}

/// Compares what `survivors` have; `leader` is the one that ended, to whom so many messages were `reported` as ordered.
pub(super) fn judge(survivors: &[u64], endured: &[Endured], leader: u64, reported: u64) -> Verdict {
    let mut verdict = Verdict::default();
    for (id, member) in survivors.iter().zip(endured) {
        verdict.duplicates += member.ledger.duplicates;
        verdict.out_of_order += member.ledger.holes;
        if let Some(gap) = &member.ledger.gap {
            verdict.found(format!("at member {id}, {gap}"));
        }
        let of_others = survivors.iter().zip(endured).map(|(sender, other)| {
            (*sender, other.sent, member.ledger.delivered.get(*sender as usize).copied().unwrap_or(0))
        });
        for (sender, ordered, delivered) in of_others.chain([(leader, reported, member.of_leader)]) {
            let lost = ordered.saturating_sub(delivered);
            verdict.lost += lost;
            if lost > 0 {
                verdict.found(format!(
                    "member {sender} had {ordered} messages ordered, member {id} delivered {delivered} of them"
                ));
            }
        }
    }
    if let Some(other) = endured.iter().position(|member| member.ledger != endured[0].ledger) {
        verdict.found(format!("members {} and {} delivered different orders", survivors[0], survivors[other]));
    }
    verdict
}

impl Verdict {
    fn found(&mut self, what: String) {
        self.why.get_or_insert(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endured(sent: u64, ledger: &str, of_leader: u64) -> Endured {
        Endured { sent, ledger: serde_json::from_str(ledger).expect("a ledger"), of_leader }
    }

    fn ledger(digest: u64, delivered: &str, duplicates: u64, holes: u64) -> String {
        format!(
            r#"{{"digest":{digest},"delivered":{delivered},"gap":null,"duplicates":{duplicates},"holes":{holes},"ended":2}}"#
        )
    }

    #[test]
    fn what_is_wrong_is_counted() {
        let good = ledger(1, "[9,5,6]", 0, 0);
        let judged = |ledger: &str, of_leader, reported| {
            judge(&[1, 2], &[endured(5, &good, 9), endured(6, ledger, of_leader)], 0, reported)
        };
        assert_eq!(judged(&good, 9, 9), Verdict::default());
        // More may have been ordered than was reported before it ended.
        assert_eq!(judged(&good, 9, 4), Verdict::default());
        assert_eq!(judged(&good, 7, 8).lost, 1);
        assert_eq!(judged(&ledger(1, "[9,3,6]", 0, 0), 9, 9).lost, 2);
        let twice = judged(&ledger(1, "[9,5,6]", 3, 4), 9, 9);
        assert_eq!((twice.duplicates, twice.out_of_order), (3, 4));
        let differs = judged(&ledger(2, "[9,5,6]", 0, 0), 9, 9);
        assert_eq!(differs.why.as_deref(), Some("members 1 and 2 delivered different orders"));
    }
}
