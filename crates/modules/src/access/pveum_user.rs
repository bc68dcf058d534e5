//! `pveum_user`: a user, by `/access/users` and `/access/password`.

use ansible::{Args, Failure};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde_json::{Map, Value, json};

use super::user::{self, Caller, UserOptions};
use crate::connection::Connection;
use crate::job::{Job, Report, Task};

/// The options of `pveum_user`.
#[derive(Args, Debug)]
pub struct PveumUserArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// The user.
    #[arg(flatten)]
    pub user: UserOptions,
}

/// The module.
pub struct PveumUser;

crate::module!(PveumUser, "pveum_user");

impl Job for PveumUser {
    type Args = PveumUserArgs;
    type Notes = ();

    fn connection(args: &PveumUserArgs) -> &Connection {
        &args.connection
    }

    fn plan(task: &Task<'_, PveumUserArgs>, cluster: &Cluster) -> Result<Planned<()>, Failure> {
        let options = &task.args.user;
        options.check()?;
        let have = user::read(&options.userid, cluster)?;
        let password = user::compare(options, have.as_ref(), cluster)?;
        let caller = Caller::of(cluster, &task.args.connection);
        let change = user::change(options, have.as_ref(), password, caller)?;
        Ok(Planned::Ready(change.plan(), ()))
    }

    fn report(
        task: &Task<'_, PveumUserArgs>,
        (): (),
        plan: &Plan,
        applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let mut returns = Map::new();
        returns.insert("userid".to_owned(), json!(task.args.user.userid));
        // What was wanted is not what is there where the write has failed.
        if applied.is_none_or(Applied::succeeded) {
            returns.insert("user".to_owned(), told(&plan.after));
        }
        Report {
            returns,
            ..Report::default()
        }
    }
}

/// A user without what is kept secret; null where there is none.
fn told(after: &Value) -> Value {
    match after {
        Value::Object(user) if !user.is_empty() => {
            let mut user = user.clone();
            user.retain(|key, _| key != "password" && key != "keys");
            Value::Object(user)
        }
        _ => Value::Null,
    }
}
