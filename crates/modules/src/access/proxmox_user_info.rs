//! `proxmox_user_info`: what users there are, by `/access/users`.

use ansible::{Args, Failure};
use pve::access::users::{self, User};
use pve::apply::Applied;
use pve::{Cluster, Plan, Planned};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::user::check_userid;
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::job::{Job, Report, Task};

/// The options of `proxmox_user_info`.
#[derive(Args, Debug)]
#[args(mutually_exclusive(["user", "userid"], ["domain", "userid"]))]
pub struct UserInfoArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// Only users of this realm.
    #[arg(aliases = ["realm"])]
    pub domain: Option<String>,
    /// Only users of this name, the part before the realm: one with O(domain), otherwise those of all realms.
    #[arg(aliases = ["name"])]
    pub user: Option<String>,
    /// Only this user, `name@realm`.
    pub userid: Option<String>,
}

/// The module.
pub struct ProxmoxUserInfo;

crate::module!(ProxmoxUserInfo, "proxmox_user_info");

impl Job for ProxmoxUserInfo {
    type Args = UserInfoArgs;
    type Notes = Vec<Value>;

    fn connection(args: &UserInfoArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(
        task: &Task<'_, UserInfoArgs>,
        cluster: &Cluster,
    ) -> Result<Planned<Vec<Value>>, Failure> {
        let rows = read(task.args, cluster)?;
        let users = rows.into_iter().map(shown).collect();
        Ok(Planned::Ready(Plan::default(), users))
    }

    fn report(
        _task: &Task<'_, UserInfoArgs>,
        users: Vec<Value>,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        Report {
            returns: Map::from_iter([("proxmox_users".to_owned(), json!(users))]),
            ..Report::default()
        }
    }
}

/// A user, with what else the server says of it.
#[derive(Deserialize)]
struct Row {
    #[serde(flatten)]
    user: User,
    #[serde(flatten)]
    more: Map<String, Value>,
}

fn read(args: &UserInfoArgs, cluster: &Cluster) -> Result<Vec<Row>, Failure> {
    // An empty text asks for all, as a variable that is not set often is one.
    let [domain, user, userid] = [&args.domain, &args.user, &args.userid]
        .map(|text| text.as_deref().filter(|text| !text.is_empty()));
    if let Some(userid) = userid {
        return read_one(userid.to_owned(), cluster);
    }
    if let (Some(user), Some(domain)) = (user, domain) {
        return read_one(format!("{user}@{domain}"), cluster);
    }
    let mut rows: Vec<Row> = cluster
        .get_as(&users::all())
        .map_err(|error| fault::unable("read the users", &error))?;
    rows.retain(|row| {
        let (name, realm) = parts(&row.user.userid);
        user.is_none_or(|user| user == name) && domain.is_none_or(|domain| domain == realm)
    });
    // The order of the rows is another one in each answer.
    rows.sort_by(|one, other| one.user.userid.cmp(&other.user.userid));
    Ok(rows)
}

fn read_one(userid: String, cluster: &Cluster) -> Result<Vec<Row>, Failure> {
    check_userid(&userid)?;
    match cluster.get_as::<Row>(&users::of(&userid)) {
        Ok(mut row) => {
            row.user.userid = userid;
            Ok(vec![row])
        }
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(fault::unable(&format!("read user `{userid}`"), &error)),
    }
}

/// Name and realm.
fn parts(userid: &str) -> (&str, &str) {
    userid.rsplit_once('@').unwrap_or((userid, ""))
}

fn shown(row: Row) -> Value {
    let Row { user, more } = row;
    let (name, domain) = parts(&user.userid);
    let tokens = user.tokens.iter().map(|(name, token)| {
        let mut shown = json!({"tokenid": name, "expire": token.expire, "privsep": token.privsep});
        put_text(&mut shown, "comment", &token.comment);
        shown
    });
    let mut shown = Value::Object(more);
    shown["userid"] = json!(user.userid);
    shown["user"] = json!(name);
    shown["domain"] = json!(domain);
    shown["enabled"] = json!(user.enable);
    shown["expire"] = json!(user.expire);
    shown["email"] = json!(user.email);
    shown["groups"] = json!(user.groups);
    shown["tokens"] = tokens.collect();
    for (key, text) in [
        ("comment", &user.comment),
        ("firstname", &user.firstname),
        ("lastname", &user.lastname),
        ("keys", &user.keys),
    ] {
        put_text(&mut shown, key, text);
    }
    shown
}

/// The server leaves out what is empty, and so does this module.
fn put_text(shown: &mut Value, key: &str, text: &str) {
    if !text.is_empty() {
        shown[key] = json!(text);
    }
}

#[cfg(test)]
mod tests {
    use super::{UserInfoArgs, read, shown};
    use ansible::Args;
    use pve::canned::{Canned, refused};
    use pve::{Call, path};
    use serde_json::{Value, json};

    fn args(given: Value) -> UserInfoArgs {
        let Value::Object(map) = given else {
            panic!("not an object")
        };
        UserInfoArgs::parse(map).unwrap()
    }

    #[test]
    fn one_user_looks_as_in_the_list() {
        let cluster = || {
            let ada = json!({
                "enable": 1, "expire": 0, "email": "", "firstname": "Ada", "groups": ["ops", "web"],
                "tokens": {"ci": {"privsep": 0, "expire": 7}},
            });
            let rows = json!([
                {"userid": "root@pam", "enable": 1, "expire": 0, "email": "", "realm-type": "pam", "groups": ""},
                {"userid": "ada@pve", "enable": "1", "expire": "0", "email": "", "firstname": "Ada", "groups": "web,ops",
                 "tokens": [{"tokenid": "ci", "privsep": 0, "expire": 7}]},
                {"userid": "ada@ldap", "enable": 0, "expire": 0, "email": "", "groups": ""},
            ]);
            Canned::new()
                .always("GET /access/users full=1", rows)
                .always("GET /access/users/ada@pve", ada)
                .cluster()
        };
        let all = ["ada@ldap", "ada@pve", "root@pam"];
        let cases = [
            (json!({}), &all[..]),
            (json!({"user": "", "domain": ""}), &all[..]),
            (json!({"userid": ""}), &all[..]),
            (json!({"domain": "pam"}), &all[2..]),
            (json!({"user": "ada"}), &all[..2]),
            (json!({"userid": "ada@pve"}), &all[1..2]),
            (json!({"name": "ada", "realm": "pve"}), &all[1..2]),
            (json!({"user": "ada", "domain": "pam"}), &[]),
        ];
        let listed: Vec<Value> = read(&args(json!({})), &cluster())
            .unwrap()
            .into_iter()
            .map(shown)
            .collect();
        for (given, expected) in cases {
            let rows = read(&args(given.clone()), &cluster()).unwrap();
            let users: Vec<Value> = rows.into_iter().map(shown).collect();
            let in_list: Vec<&Value> = listed
                .iter()
                .filter(|user| expected.iter().any(|userid| user["userid"] == *userid))
                .collect();
            assert_eq!(users.iter().collect::<Vec<_>>(), in_list, "{given}");
            assert_eq!(users.len(), expected.len(), "{given}");
        }
        assert_eq!(
            listed[2],
            json!({"userid": "root@pam", "user": "root", "domain": "pam", "realm-type": "pam", "enabled": true,
                   "expire": 0, "email": "", "groups": [], "tokens": []})
        );
    }

    #[test]
    fn only_a_user_who_is_not_there_is_left_out() {
        let call = Call::get(path!("access", "users", "ada@pve"));
        let asked = |status, text| {
            let cluster = Canned::new()
                .once(&call.to_string(), Err(refused(&call, status, text)))
                .cluster();
            read(&args(json!({"userid": "ada@pve"})), &cluster)
        };
        assert!(asked(500, "no such user ('ada@pve')\n").unwrap().is_empty());
        let failure = asked(
            403,
            "Permission check failed (/access/groups, User.Modify)\n",
        )
        .err()
        .unwrap();
        assert!(
            failure.msg.starts_with(
                "unable to read user `ada@pve`: GET /access/users/ada@pve answered 403"
            ),
            "{}",
            failure.msg
        );
    }
}
