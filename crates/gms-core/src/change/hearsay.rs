//! What others say has ended my view, and when that is believed. One member may be wrong, and lie; somebody who is in
//! no view that I know may be anybody. So what was not accepted here before is believed only if a quorum of my view
//! says the same, or if those who are still in my view are too few to go on in it.

use std::net::SocketAddr;

use crate::context::Context;
use crate::id::{Uid, Vid};
use crate::membership::{Membership, Stage};
use crate::planted::Bug;
use crate::time::Time;
use crate::view::{Next, Snapshot};
use crate::wire::Control;

/// What ends my view, as far as I believe: its frames may be missing yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ending {
    pub(crate) next: Next,
    pub(crate) snapshot: Snapshot,
    /// Who said so, and where it is reached.
    pub(crate) by: (Uid, SocketAddr),
    /// Known since then.
    pub(crate) since: Time,
    /// Not only one member says so: if the order here is another one, it is the one that is wrong.
    pub(crate) confirmed: bool,
}

/// The words of others that are not believed yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Hearsay {
    /// The last one of each member, and of all those together who are none.
    words: Vec<Word>,
    /// When the first of them came.
    since: Option<Time>,
    /// When the members were last asked.
    asked: Option<Time>,
    /// Members of older views who say that those ended otherwise than I know.
    contradicted: Vec<(Vid, Uid)>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Word {
    who: Uid,
    from: SocketAddr,
    is_member: bool,
    says: Says,
}

/// What there is to say of the end of my view.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Says {
    /// This view follows it.
    Ended(Box<(Next, Snapshot)>),
    /// Later views stand without me.
    Out,
}

impl Membership {
    /// `who` is in a later view. One that was ever in a view with me is asked what ended mine; of all others it is a
    /// reason to ask the members, as long as they are heard.
    pub(crate) fn seek_after(&mut self, cx: &mut Context, who: Uid, from: SocketAddr) {
        if self.address_of(who).is_some() || self.is_cut_off(cx) {
            self.seek_successor(cx, from);
        } else {
            cx.stats.hearsay += 1;
            self.ask_members(cx);
        }
    }

    /// Somebody says that my view is over.
    pub(crate) fn hear(&mut self, cx: &mut Context, who: Uid, from: SocketAddr, says: Says) {
        if self.stage == Stage::Gone {
            return;
        }
        if self.planted.is(Bug::HearsayBelieved) {
            return self.believe(cx, (who, from), says, true);
        }
        cx.stats.hearsay += 1;
        let is_member = self.view.contains(who);
        self.hearsay.words.retain(|word| if is_member { word.who != who } else { word.is_member });
        self.hearsay.words.push(Word { who, from, is_member, says });
        self.hearsay.since.get_or_insert(cx.now);
        self.weigh(cx);
        if self.hearsay.since.is_some() {
            self.ask_members(cx);
        }
    }

    /// A member has shown that it is in my view: whatever it said before.
    pub(crate) fn is_here(&mut self, cx: &Context, index: usize) {
        self.peers[index].here = cx.now;
        let accepted = self.accepted.as_ref().map(|(_, value)| value);
        let withdrawn = |ending: &mut Ending| {
            let said_so = !ending.confirmed && Some(&ending.next) != accepted;
            said_so && ending.by.0 == self.view.members[index].uid
        };
        self.ending.take_if(withdrawn);
        if !self.hearsay.words.is_empty() {
            let who = self.view.members[index].uid;
            self.hearsay.words.retain(|word| word.who != who);
            self.hearsay.since = self.hearsay.since.filter(|_| !self.hearsay.words.is_empty());
        }
    }

    /// Whether it can be believed by now that my view is over.
    pub(crate) fn weigh(&mut self, cx: &mut Context) {
        let Some(since) = self.hearsay.since.filter(|_| self.stage != Stage::Gone) else { return };
        let words = &self.hearsay.words;
        let say =
            |says: &Says, who: Uid| words.iter().any(|word| word.is_member && word.who == who && word.says == *says);
        let of_a_quorum = |word: &&Word| self.quorum(&self.view, |who| say(&word.says, who));
        if let Some(word) = words.iter().filter(|word| word.is_member).find(of_a_quorum).cloned() {
            // A leader may be a quorum by itself.
            let confirmed = words.iter().filter(|other| other.is_member && other.says == word.says).count() > 1;
            return self.believe(cx, (word.who, word.from), word.says, confirmed);
        }
        let timing = &cx.config.timing;
        let of_members = words.iter().any(|word| word.is_member);
        if cx.now - since < if of_members { timing.presence } else { timing.quorum } {
            return;
        }
        let here = |who| who == cx.config.uid || self.view.index_of(who).is_some_and(|i| self.peers[i].here > since);
        if self.quorum(&self.view, here) {
            // It is not.
            (self.hearsay.words, self.hearsay.since) = (vec![], None);
            return;
        }
        let backing = |word: &&Word| {
            let members = words.iter().filter(|other| other.is_member && other.says == word.says).count();
            (word.is_member, matches!(word.says, Says::Ended(_)), members)
        };
        if let Some(word) = words.iter().max_by_key(backing).cloned() {
            self.believe(cx, (word.who, word.from), word.says, false);
        }
    }

    /// Asks again as long as there is something to find out.
    pub(crate) fn look_into_hearsay(&mut self, cx: &mut Context) {
        self.weigh(cx);
        if self.hearsay.since.is_some() {
            self.ask_members(cx);
        }
    }

    /// What a member says of the end of a view before mine is not what I know. One alone may say anything.
    pub(super) fn is_contradicted(&mut self, cx: &mut Context, who: Uid, vid: Vid) {
        cx.stats.implausible_ends += 1;
        let Some(former) = self.view_of(vid - 1).filter(|view| view.contains(who)).cloned() else { return };
        let contradicted = &mut self.hearsay.contradicted;
        if !contradicted.contains(&(vid, who)) {
            contradicted.push((vid, who));
        }
        let several = self.hearsay.contradicted.iter().filter(|(of, _)| *of == vid).count() > 1;
        if several && self.quorum(&former, |who| self.hearsay.contradicted.contains(&(vid, who))) {
            // I1.
            self.stop(cx, format!("two different views {vid} were decided"));
        }
    }

    /// My view is over.
    pub(super) fn believe(&mut self, cx: &mut Context, by: (Uid, SocketAddr), says: Says, confirmed: bool) {
        (self.hearsay.words, self.hearsay.since) = (vec![], None);
        let Says::Ended(end) = says else { return self.on_excluded(cx) };
        let (next, snapshot) = *end;
        match &self.ending {
            // I1: the first is decided, and waits for its frames only.
            Some(known) if known.next != next && known.confirmed && confirmed => {
                self.stop(cx, format!("two different views {} were decided", next.view.vid))
            }
            Some(known) if known.confirmed || (known.next == next && !confirmed) => {}
            _ => {
                self.want_upto(next.cut(), by.1);
                self.ending = Some(Ending { next, snapshot, by, since: cx.now, confirmed });
                self.after_storing(cx);
            }
        }
    }

    /// Whether too few of my view are heard for it to go on.
    fn is_cut_off(&self, cx: &Context) -> bool {
        if self.is_leader() { self.blocked_by_quorum() } else { cx.now - self.served > cx.config.timing.quorum }
    }

    fn ask_members(&mut self, cx: &mut Context) {
        let lately = self.hearsay.asked.is_some_and(|at| cx.now - at < cx.config.timing.heartbeat);
        if self.stage == Stage::Gone || lately {
            return;
        }
        self.hearsay.asked = Some(cx.now);
        let me = cx.config.uid;
        for member in self.view.members.iter().filter(|member| member.uid != me) {
            cx.tell(member.address, self.view.gid, self.view.vid, &Control::ViewRequest);
        }
    }
}
