//! One leader that ends.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::time::sleep;

use super::super::crew::Crew;
use super::super::orders::{Endured, Entrance, Order, Report, Stress, Survived};
use super::super::place::Place;
use super::Setting;
use super::flags::Fault;
use super::verdict::{Verdict, judge};

/// The member that creates the group and leads it.
const LEADER: u64 = 0;
/// How long joining should take.
const JOIN: Duration = Duration::from_secs(5);
/// How long messages flow before anything is measured, and then before the leader ends.
const WARM_UP: Duration = Duration::from_millis(250);
const BEFORE: Duration = Duration::from_millis(250);
/// How long anything after that should take.
const AFTER: Duration = Duration::from_secs(10);

/// What came of it. Times are those of the member for which it took longest.
#[derive(Debug)]
pub(super) struct Trial {
    /// Longest time without a delivery while nothing happened, in [`BEFORE`].
    pub(super) usual: Duration,
    /// The same from the end of the leader on.
    pub(super) pause: Duration,
    /// From the end of the leader to the view without it.
    pub(super) view: Duration,
    /// From SIGCONT to one view of all, with [`Fault::Stop`].
    pub(super) rejoin: Option<Duration>,
    pub(super) verdict: Verdict,
}

/// Has a group formed by `crew`, and ends its leader.
pub(super) async fn run(crew: &mut Crew, setting: &Setting, place: &Place, insecure: bool) -> Result<Trial> {
    let Setting { members, fault, rate, size, level } = *setting;
    let everybody: Vec<u64> = (0..members).collect();
    let survivors: Vec<u64> = everybody.iter().copied().filter(|id| *id != LEADER).collect();
    let join = |id| {
        Order::Join(Entrance {
            id,
            members,
            group: place.group.clone(),
            level,
            multicast: place.multicast,
            ceiling: place.ceiling,
            interface: place.interface.clone(),
            insecure,
        })
    };
    crew.all("joining", JOIN, join).await?;
    crew.all("starting to send", JOIN, |_| Order::Endure(Stress { size: size as usize, rate })).await?;
    sleep(WARM_UP).await;
    crew.all("sending", JOIN, |_| Order::Watch).await?;
    sleep(BEFORE).await;
    let usual = longest(crew.all("sending", JOIN, |_| Order::Watch).await?.iter().map(watched))?;

    crew.tell(&survivors, &Order::Survive).await?;
    let told = Instant::now();
    // A survivor that reads the order after the leader's end has missed what it is asked for.
    crew.tell(&survivors, &Order::Watch).await?;
    crew.hear(&survivors, "sending", JOIN).await?;
    match fault {
        Fault::Kill => crew.kill(LEADER)?,
        Fault::Stop => crew.signal(LEADER, "STOP").await?,
        Fault::Leave => crew.tell(&[LEADER], &Order::Leave).await?,
    }
    let ended = told.elapsed();
    let whom = if fault == Fault::Leave { &everybody } else { &survivors };
    let mut reports = crew.hear(whom, "going on", AFTER).await?;
    let left = (fault == Fault::Leave).then(|| reports.remove(0));
    let survived: Vec<Survived> = reports.iter().map(survivor).collect::<Result<_>>()?;
    let rejoin = match fault {
        Fault::Stop => {
            let start = Instant::now();
            crew.signal(LEADER, "CONT").await?;
            crew.tell(&everybody, &Order::Unite).await?;
            crew.hear(&everybody, "joining again", AFTER).await?;
            Some(start.elapsed())
        }
        _ => None,
    };
    let present = if fault == Fault::Stop { &everybody } else { &survivors };
    let ends = present.len() + usize::from(fault == Fault::Leave);
    crew.tell(present, &Order::Finish { ends }).await?;
    let endured = crew.hear(present, "reading everything", AFTER).await?;
    let mut endured: Vec<Endured> = endured.into_iter().map(finished).collect::<Result<_>>()?;
    if fault == Fault::Stop {
        // What it missed is no loss.
        endured.remove(0);
    }
    let reported = match left {
        Some(Report::Left { sent }) => sent,
        _ => crew.ordered(LEADER),
    };
    Ok(Trial {
        usual,
        pause: longest(survived.iter().map(|survived| Ok(survived.pause)))?,
        // They counted from the order on, which came a little earlier.
        view: longest(survived.iter().map(|survived| Ok(survived.view)))?.saturating_sub(ended),
        rejoin,
        verdict: judge(&survivors, &endured, LEADER, reported),
    })
}

fn longest(times: impl Iterator<Item = Result<Duration>>) -> Result<Duration> {
    times.reduce(|one, other| Ok(one?.max(other?))).unwrap_or(Ok(Duration::ZERO))
}

fn watched(report: &Report) -> Result<Duration> {
    match report {
        Report::Watched { pause } => Ok(*pause),
        other => bail!("a member answered {other:?}"),
    }
}

fn survivor(report: &Report) -> Result<Survived> {
    match report {
        Report::Survived(survived) => Ok(*survived),
        other => bail!("a member answered {other:?}"),
    }
}

fn finished(report: Report) -> Result<Endured> {
    match report {
        Report::Endured(endured) => Ok(endured),
        other => bail!("a member answered {other:?}"),
    }
}
