use super::{AccessArgs, PveumAccess};
use crate::job::{Job, Task};
use ansible::{Args, Context};
use pve::canned::Canned;
use pve::{Plan, Planned};
use serde_json::{Value, json};

/// A cluster with one of each kind.
fn canned() -> Canned {
    Canned::new()
        .always(
            "GET /access/roles",
            json!([
                {"roleid": "Administrator", "privs": "VM.Audit,VM.Clone", "special": 1},
                {"roleid": "Cloner", "privs": "VM.Clone", "special": 0},
            ]),
        )
        .always(
            "GET /access/groups",
            json!([{"groupid": "ops", "users": "a@pve", "comment": "Operators"}]),
        )
        .always(
            "GET /access/users full=1",
            json!([
                {"userid": "root@pam", "enable": 1},
                {"userid": "a@pve", "enable": 1, "groups": "ops", "tokens": [{"tokenid": "t1", "privsep": 1, "expire": 0}]},
            ]),
        )
        .always(
            "GET /access/acl",
            json!([
                {"path": "/vms", "type": "user", "ugid": "a@pve", "roleid": "Cloner", "propagate": 1},
                {"path": "/vms", "type": "token", "ugid": "a@pve!t1", "roleid": "Cloner", "propagate": 1},
            ]),
        )
}

fn planned(options: &Value) -> Result<(Plan, Vec<String>), String> {
    planned_by(canned(), options)
}

fn planned_by(canned: Canned, options: &Value) -> Result<(Plan, Vec<String>), String> {
    let Value::Object(map) = options.clone() else {
        panic!("not an object")
    };
    let args = AccessArgs::parse(map).map_err(|error| error.to_string())?;
    let asked = canned.asked();
    let cluster = canned.cluster();
    let context = Context::default();
    let task = Task {
        args: &args,
        context: &context,
    };
    match PveumAccess::plan(&task, &cluster) {
        Ok(Planned::Ready(plan, _)) => {
            let asked = asked.lock().unwrap().clone();
            Ok((plan, asked))
        }
        Ok(Planned::Blocked { why, .. }) => Err(why),
        Err(failure) => Err(failure.msg),
    }
}

/// The calls in the order in which they are sent.
fn in_order(plan: &Plan) -> Vec<String> {
    let mut tracks: Vec<_> = plan.tracks.iter().collect();
    tracks.sort_by_key(|track| track.stage);
    let steps = tracks.iter().flat_map(|track| &track.steps);
    steps
        .filter_map(|step| step.call.as_ref())
        .map(ToString::to_string)
        .collect()
}

#[test]
fn what_is_made_comes_before_what_names_it_and_what_goes_after() {
    let (plan, _) = planned(&json!({
        "acls": [{"path": "/vms", "groups": "new", "roles": "Fresh", "exclusive": true}],
        "tokens": [{"userid": "n@pve!t2"}, {"userid": "a@pve!t1", "state": "absent"}],
        "users": [{"userid": "n@pve", "groups": ["new"]}, {"userid": "a@pve", "state": "absent"}],
        "groups": [{"groupid": "new"}, {"groupid": "ops", "state": "absent"}],
        "roles": [{"name": "Fresh", "privs": ["VM.Audit"]}, {"name": "Cloner", "state": "absent"}],
    }))
    .unwrap();
    assert_eq!(
        in_order(&plan),
        [
            "POST /access/roles roleid=Fresh privs=VM.Audit",
            "POST /access/groups groupid=new",
            "POST /access/users userid=n@pve groups=new",
            "POST /access/users/n@pve/token/t2",
            "PUT /access/acl path=/vms roles=Fresh groups=new propagate=1",
            "PUT /access/acl path=/vms roles=Cloner users=a@pve tokens=a@pve!t1 delete=1",
            "DELETE /access/users/a@pve/token/t1",
            "DELETE /access/users/a@pve",
            "DELETE /access/groups/ops",
            "DELETE /access/roles/Cloner",
        ]
    );
    assert_eq!(plan.before["users"]["n@pve"], Value::Null);
    assert_eq!(plan.after["users"]["a@pve"], Value::Null);
    assert_eq!(plan.after["acls"], json!({"/vms": ["group new: Fresh"]}));
}

#[test]
fn what_is_there_already_is_read_once_and_not_written() {
    let (plan, asked) = planned(&json!({
        "roles": [{"name": "Cloner", "privs": ["VM.Clone"]}],
        "groups": [{"groupid": "ops", "comment": "Operators"}],
        "users": [{"userid": "a@pve", "groups": ["ops"]}, {"userid": "gone@pve", "state": "absent"}],
        "tokens": [{"userid": "a@pve", "tokenid": "t1", "privsep": true}],
        "acls": [
            {"path": "/vms", "users": "a@pve", "roles": "Cloner"},
            {"path": "/vms/", "tokens": "a@pve!t1", "roles": "Cloner", "exclusive": true},
        ],
    }))
    .unwrap();
    assert_eq!(plan.calls(), [""; 0]);
    assert_eq!(plan.before, plan.after);
    assert_eq!(asked.len(), 4, "{asked:?}");
}

#[test]
fn only_what_is_spoken_of_is_read() {
    let (_, asked) =
        planned(&json!({"acls": [{"path": "/vms", "users": "a@pve", "roles": "Cloner"}]})).unwrap();
    assert_eq!(asked, ["GET /access/acl"]);
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (options, why) in [
        (
            json!({"users": [{"userid": "a@pve"}, {"userid": "a@pve", "state": "absent"}]}),
            "the user `a@pve` is stated twice",
        ),
        (
            json!({"tokens": [{"userid": "a@pve!t1"}, {"userid": "a@pve", "tokenid": "t1"}]}),
            "the token `a@pve!t1` is stated twice",
        ),
        (
            json!({"acls": [
                {"path": "/vms", "users": "a@pve", "roles": "Cloner"},
                {"path": "/vms", "users": "a@pve", "roles": "Cloner", "propagate": false},
            ]}),
            "the role `Cloner` of user a@pve on `/vms` is wanted both propagated and not",
        ),
        (
            json!({"acls": [
                {"path": "/vms", "users": "a@pve", "roles": "Cloner"},
                {"path": "/vms", "users": "a@pve", "state": "absent"},
            ]}),
            "the role `Cloner` of user a@pve on `/vms` is wanted both present and absent",
        ),
        (
            json!({"acls": [{"path": "/vms", "groups": "ops", "roles": "Nope"}]}),
            "the role `Nope` that acls names is not there, and roles does not make it",
        ),
        (
            json!({"tokens": [{"userid": "x@pve!t1"}]}),
            "the user `x@pve` of the token `x@pve!t1` is not there, and users does not make it",
        ),
        (
            json!({"users": [{"userid": "a@pve", "state": "absent"}], "tokens": [{"userid": "a@pve!t1"}]}),
            "the user `a@pve` of the token `a@pve!t1` is not there, and users does not make it",
        ),
        (
            json!({"groups": [], "acls": [{"path": "/vms", "groups": "nobody", "roles": "Cloner"}]}),
            "the group `nobody` that acls names is not there, and groups does not make it",
        ),
        (
            json!({"users": [], "acls": [{"path": "/vms", "tokens": "a@pve!t9", "roles": "Cloner"}]}),
            "the token `a@pve!t9` that acls names is not there, and tokens does not make it",
        ),
        (
            json!({}),
            "one of the following is required: roles, groups, users, tokens, acls",
        ),
    ] {
        assert_eq!(planned(&options).unwrap_err(), why, "{options}");
    }
}

/// A caller who may change entries by the role Mine, on / and below.
fn by_mine() -> Canned {
    Canned::new()
        .for_user("me@pve")
        .always(
            "GET /access/roles",
            json!([
                {"roleid": "Administrator", "privs": "Permissions.Modify,VM.Audit", "special": 1},
                {"roleid": "Mine", "privs": "Permissions.Modify,VM.Audit", "special": 0},
            ]),
        )
        .always(
            "GET /access/users full=1",
            json!([{"userid": "root@pam"}, {"userid": "me@pve"}]),
        )
        .always(
            "GET /access/acl",
            json!([
                {"path": "/", "type": "user", "ugid": "me@pve", "roleid": "Mine", "propagate": 1},
                {"path": "/", "type": "user", "ugid": "me@pve", "roleid": "Administrator", "propagate": 1},
            ]),
        )
}

#[test]
fn the_caller_s_own_right_is_judged_by_the_roles_as_they_will_be() {
    let only_mine = json!([{"path": "/", "users": "me@pve", "roles": "Mine", "exclusive": true}]);
    let stripped = json!({"roles": [{"name": "Mine", "privs": ["VM.Audit"]}], "acls": only_mine});
    let refused = planned_by(by_mine(), &stripped).unwrap_err();
    assert!(
        refused.starts_with(
            "this would take from the caller, `me@pve`, the right to change the entries"
        ),
        "{refused}"
    );
    let only_new = json!([{"path": "/", "users": "me@pve", "roles": "New", "exclusive": true}]);
    let new = json!({"name": "New", "privs": ["Permissions.Modify"]});
    let (plan, _) = planned_by(by_mine(), &json!({"roles": [new], "acls": only_new})).unwrap();
    assert_eq!(plan.tracks.len(), 3);
}

#[test]
fn what_moves_from_one_path_to_another_is_given_before_it_is_taken_away() {
    let (plan, _) = planned(&json!({"acls": [
        {"path": "/vms", "users": "a@pve", "state": "absent"},
        {"path": "/vms/100", "users": "a@pve", "roles": "Cloner"},
    ]}))
    .unwrap();
    assert_eq!(
        in_order(&plan),
        [
            "PUT /access/acl path=/vms/100 roles=Cloner users=a@pve propagate=1",
            "PUT /access/acl path=/vms roles=Cloner users=a@pve delete=1",
        ]
    );
}
