//! What a client says when answers do not come.

use std::convert::Infallible;
use std::time::Duration;

use gms::Client;
use tokio::time::{Instant, sleep_until};

use crate::failure::complain;

/// How long answers may take before it is said why they do.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long before it is said that it is not known why.
const LONGER: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Says on standard error why there is no answer, one line for each time that there is none.
pub(crate) struct Patience {
    client: Client,
    since: Instant,
    said: bool,
}

impl Patience {
    /// From now on.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, since: Instant::now(), said: false }
    }

    /// There is an answer, or a question after none was open.
    pub(crate) fn begin_anew(&mut self) {
        (self.since, self.said) = (Instant::now(), false);
    }

    /// Says it when it is time. Cancel safe.
    pub(crate) async fn run(&mut self) -> Infallible {
        loop {
            if self.said {
                return std::future::pending().await;
            }
            sleep_until((self.since + PATIENCE).max(Instant::now() + LOOK_EVERY)).await;
            match self.client.obstacle() {
                Some(why) => self.say(&why),
                None if self.since.elapsed() >= LONGER => self.say("the server has not answered yet, nor said why"),
                None => {}
            }
        }
    }

    fn say(&mut self, why: &str) {
        complain(&format!("waiting: {why}"));
        self.said = true;
    }
}
