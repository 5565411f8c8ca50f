//! The demo to watch: members talk, one joins late, the leader dies, the next one leaves; or all leaders die, one after
//! the other.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow};
use gms::{Event, Events, Group, QuorumMode, SendError};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::board::Board;
use super::place::Place;
use super::record::{End, Record};
use super::settings::DemoSettings;
use super::verdict::{judge, undelivered};
use crate::failure::Outcome;

/// Time for joining at the start and for the last deliveries at the end.
const GRACE: Duration = Duration::from_secs(10);
/// Between two looks at who leads.
const LOOK: Duration = Duration::from_millis(5);

/// What the members do, for the one who watches.
enum Report {
    Remark(String),
    /// This member, the leader, dies now.
    Dies(u64, Instant),
    Events(u64, Vec<Event>),
    /// There are no more events of this member.
    End(u64),
}

/// The last line of the JSON output.
#[derive(Serialize)]
struct VerdictLine<'a> {
    event: &'a str,
    agree: bool,
    members: usize,
    messages: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// What is left when the script is over.
#[derive(Default)]
struct Played {
    /// How many messages each member sent.
    sent: BTreeMap<u64, u64>,
    /// Those that are no members any more.
    left: Vec<u64>,
    /// Members stay until all is judged, so that everybody gets everything.
    present: Vec<Speaker>,
}

/// Plays it, and judges what everybody saw.
pub(super) async fn run(settings: &DemoSettings, pause: Duration) -> Outcome {
    let deadline = Instant::now() + settings.lasts + GRACE;
    let (reports, mut inbox) = mpsc::channel(256);
    let mut script = tokio::spawn(play(settings.clone(), pause, reports));
    let mut board = Board::new(settings.json, settings.palette);
    let mut records: BTreeMap<u64, Record> = BTreeMap::new();
    let mut played: Option<Played> = None;
    let mut died: Option<(u64, Instant)> = None;
    let verdict = loop {
        if let Some(played) = &played
            && open_end(&records, played).is_none()
        {
            break judge(&records, &played.sent, settings.level, settings.loss.is_some())
                .map_err(|why| format!("disagree: {why}"));
        }
        tokio::select! {
            Some(report) = inbox.recv() => match report {
                Report::Remark(text) => board.remark(&text)?,
                Report::Dies(id, at) => {
                    died = Some((id, at));
                    board.remark(&format!("member {id}, the leader, dies"))?;
                }
                Report::Events(id, batch) => {
                    if let Some((dead, at)) = died
                        && let Some(leader) = batch.iter().find_map(|event| successor(event, dead))
                    {
                        died = None;
                        let after = at.elapsed().as_secs_f64() * 1e3;
                        board.remark(&format!("{after:.1} ms later member {leader} leads"))?;
                    }
                    let record = records.entry(id).or_default();
                    batch.iter().for_each(|event| record.note(event));
                    board.events(id, &batch)?;
                }
                Report::End(id) => {
                    let record = records.entry(id).or_default();
                    if record.end == End::Present {
                        record.end = End::Killed;
                    }
                    board.end(id)?;
                }
            },
            done = &mut script, if played.is_none() => played = Some(done??),
            () = sleep_until(deadline) => break Err(overdue(&records, played.as_ref())),
        }
    };
    let (words, line, code) = match &verdict {
        Ok(agreement) => (
            format!("agree: {0}/{0}, {1} messages, one order", agreement.members, agreement.messages),
            VerdictLine {
                event: "verdict",
                agree: true,
                members: agreement.members,
                messages: agreement.messages,
                why: None,
            },
            ExitCode::SUCCESS,
        ),
        Err(why) => {
            let messages = records.values().map(Record::messages).max().unwrap_or(0);
            let line = VerdictLine { event: "verdict", agree: false, members: records.len(), messages, why: Some(why) };
            (why.clone(), line, ExitCode::FAILURE)
        }
    };
    board.close(&words, &line)?;
    Ok(code)
}

/// Who leads the first view without the dead.
fn successor(event: &Event, dead: u64) -> Option<u64> {
    match event {
        Event::View(change) if change.left.iter().any(|(uid, _)| uid.node.0 == dead) => Some(change.view.leader.node.0),
        _ => None,
    }
}

/// What has yet to happen before the members can be compared.
fn open_end(records: &BTreeMap<u64, Record>, played: &Played) -> Option<String> {
    let staying = |id: &u64| records.get(id).is_none_or(|record| record.end == End::Present);
    if let Some(id) = played.left.iter().find(|id| staying(id)) {
        return Some(format!("member {id} has not seen its own end"));
    }
    if let Some(id) = played.sent.keys().find(|id| records.get(id).is_none_or(|record| record.entries.is_empty())) {
        return Some(format!("member {id} has delivered nothing"));
    }
    undelivered(records, &played.sent)
}

/// Why the time was up.
fn overdue(records: &BTreeMap<u64, Record>, played: Option<&Played>) -> String {
    let why = match played {
        Some(played) => open_end(records, played),
        None => undelivered(records, &BTreeMap::new()).or(Some("the members did not get through their parts".into())),
    };
    format!("undecided: not done in time: {}", why.unwrap_or_else(|| "the last deliveries came too late".to_owned()))
}

/// The script: ends when nobody sends any more.
async fn play(settings: DemoSettings, pause: Duration, reports: mpsc::Sender<Report>) -> Result<Played> {
    let place = Place::find(&settings)?;
    remark(&reports, format!("{} members meet at {}", settings.members, place.multicast())).await?;
    let mut speakers: BTreeMap<u64, Speaker> = BTreeMap::new();
    let first = place.join_all(settings.members).await?;
    let start = Instant::now();
    for (group, events) in first {
        speakers.insert(group.uid().node.0, Speaker::start(group, events, pause, &reports));
    }

    sleep_until(start + settings.lasts * 3 / 8).await;
    let late = settings.members;
    remark(&reports, format!("member {late} asks to join")).await?;
    let (group, events) = place.join(late).await?;
    speakers.insert(late, Speaker::start(group, events, pause, &reports));

    sleep_until(start + settings.lasts * 5 / 8).await;
    let mut played = Played::default();
    match settings.quorum {
        QuorumMode::Majority => {
            leader_dies(&mut speakers, &mut played, &reports).await?;
            sleep_until(start + settings.lasts * 13 / 16).await;
            leader_leaves(&mut speakers, &mut played, &reports).await?;
        }
        QuorumMode::FailStop => {
            while speakers.len() > 1 {
                leader_dies(&mut speakers, &mut played, &reports).await?;
                // Time for the others to say something.
                sleep(pause).await;
            }
        }
    }
    sleep_until(start + settings.lasts).await;
    for (id, speaker) in &mut speakers {
        played.sent.insert(*id, speaker.hush().await?);
    }
    played.present = speakers.into_values().collect();
    Ok(played)
}

async fn remark(reports: &mpsc::Sender<Report>, text: String) -> Result<()> {
    reports.send(Report::Remark(text)).await.map_err(|_| anyhow!("stopped"))
}

/// Takes the leader off the stage, once those on it agree who that is.
async fn take_leader(speakers: &mut BTreeMap<u64, Speaker>) -> (u64, Speaker) {
    loop {
        let leaders = speakers.values().map(|speaker| speaker.group.view().map(|view| view.leader.node.0));
        let mut leaders: Vec<_> = leaders.collect();
        leaders.dedup();
        if let [Some(leader)] = leaders[..]
            && let Some(found) = speakers.remove_entry(&leader)
        {
            return found;
        }
        sleep(LOOK).await;
    }
}

/// The leader dies without a word.
async fn leader_dies(
    speakers: &mut BTreeMap<u64, Speaker>,
    played: &mut Played,
    reports: &mpsc::Sender<Report>,
) -> Result<()> {
    let (id, speaker) = take_leader(speakers).await;
    reports.send(Report::Dies(id, Instant::now())).await.map_err(|_| anyhow!("stopped"))?;
    speaker.group.kill();
    played.left.push(id);
    Ok(())
}

/// The leader leaves as one should.
async fn leader_leaves(
    speakers: &mut BTreeMap<u64, Speaker>,
    played: &mut Played,
    reports: &mpsc::Sender<Report>,
) -> Result<()> {
    let (id, mut speaker) = take_leader(speakers).await;
    remark(reports, format!("member {id}, the leader, leaves")).await?;
    played.sent.insert(id, speaker.hush().await?);
    if !speaker.group.leave().await? {
        remark(reports, format!("the group did not confirm that {id} left")).await?;
    }
    played.left.push(id);
    Ok(())
}

/// A member that talks, and reports what it sees.
struct Speaker {
    group: Group,
    quiet: watch::Sender<bool>,
    talk: JoinHandle<Result<u64, SendError>>,
}

impl Speaker {
    fn start(group: Group, events: Events, pause: Duration, reports: &mpsc::Sender<Report>) -> Self {
        let id = group.uid().node.0;
        tokio::spawn(listen(id, events, reports.clone()));
        let (quiet, hushed) = watch::channel(false);
        let talk = tokio::spawn(talk(group.clone(), pause, hushed));
        Self { group, quiet, talk }
    }

    /// Ends the talk; returns how many messages it had.
    async fn hush(&mut self) -> Result<u64> {
        self.quiet.send_replace(true);
        Ok((&mut self.talk).await??)
    }
}

async fn listen(id: u64, mut events: Events, reports: mpsc::Sender<Report>) {
    while let Some(batch) = events.next_batch().await {
        if reports.send(Report::Events(id, batch)).await.is_err() {
            return;
        }
    }
    let _ = reports.send(Report::End(id)).await;
}

/// Says something now and then, until hushed.
async fn talk(group: Group, pause: Duration, mut hushed: watch::Receiver<bool>) -> Result<u64, SendError> {
    let id = group.uid().node.0;
    // Not all at once.
    let mut pauses = interval_at(Instant::now() + pause.mul_f64((id % 7 + 1) as f64 / 8.0), pause);
    pauses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = 0;
    loop {
        tokio::select! {
            biased;
            _ = hushed.changed() => return Ok(sent),
            _ = pauses.tick() => {}
        }
        let color = ["red", "green", "blue"][((id + sent) % 3) as usize];
        sent = group.queue(format!("{color} +{}", (id * 31 + sent * 7) % 20 + 1)).await?.0;
    }
}
