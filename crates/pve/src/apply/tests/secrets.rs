//! Secrets that are told only once.

use secret::Secret;

use super::*;

const POST: &str = "POST /access/users/a@pve/token/t1";
const DELETE: &str = "DELETE /access/users/a@pve/token/t1";

fn token() -> Call {
    Call::post(path!("access", "users", "a@pve", "token", "t1"))
}

fn made(value: &str) -> Value {
    json!({"full-tokenid": "a@pve!t1", "value": value})
}

/// A track that makes a token, whose secret goes where `place` says.
fn track(place: Option<Arc<crate::plan::Place>>) -> Track {
    let of_token = path!("access", "users", "a@pve", "token", "t1");
    let look_up = Probe::get(Call::get(of_token.clone()), |answer| match answer {
        Ok(_) => Verdict::Holds(None),
        Err(_) => Verdict::Absent,
    });
    let step = Step::call("create", "created", token())
        .undo(Call::delete(of_token))
        .lost(Lost::Look {
            probe: look_up,
            quiet: Duration::ZERO,
        })
        .keeps(Keep {
            name: "secret",
            pointer: "/value",
            place,
        });
    Track::new("token", "a@pve!t1", vec![step])
}

#[test]
fn a_secret_is_bound_and_put_where_it_belongs() {
    let found = Arc::new(Mutex::new(Vec::new()));
    let shelf = Arc::clone(&found);
    let place: Arc<crate::plan::Place> = Arc::new(move || {
        let shelf = Arc::clone(&shelf);
        Ok(Box::new(move |secret: &Secret| {
            shelf.lock().unwrap().push(secret.expose().to_owned());
            Ok(())
        }))
    });
    let canned = Canned::new().once(POST, Ok(made("uuid-1")));
    let (applied, _) = carry_out(canned, &one(track(Some(place))));
    assert!(applied.changed());
    assert_eq!(applied.tracks[0].secrets["secret"].expose(), "uuid-1");
    assert_eq!(*found.lock().unwrap(), ["uuid-1"]);
    assert!(!format!("{applied:?}").contains("uuid-1"));
}

#[test]
fn nothing_is_sent_where_the_place_cannot_be_had() {
    let place: Arc<crate::plan::Place> = Arc::new(|| Err("no such folder".to_owned()));
    let (applied, asked) = carry_out(Canned::new(), &one(track(Some(place))));
    assert!(!applied.changed());
    assert_eq!(asked, [""; 0]);
    let trouble = applied.tracks[0].trouble.as_ref().unwrap();
    assert_eq!(
        trouble.to_string(),
        "unable to create token `a@pve!t1`: no such folder"
    );
}

#[test]
fn what_nobody_can_use_is_taken_back() {
    let place: Arc<crate::plan::Place> =
        Arc::new(|| Ok(Box::new(|_: &Secret| Err("the disk is full".to_owned()))));
    let canned = Canned::new().once(POST, Ok(made("uuid-1")));
    let (applied, asked) = carry_out(canned, &one(track(Some(place))));
    assert_eq!(asked, [POST, DELETE]);
    assert!(!applied.changed());
    assert!(applied.tracks[0].trouble.is_some());
    assert!(applied.tracks[0].secrets.is_empty());
}

#[test]
fn a_secret_that_went_by_unheard_is_made_anew() {
    let look = "GET /access/users/a@pve/token/t1";
    let canned = Canned::new()
        .once(POST, Err(lost(&token())))
        .once(look, Ok(json!({"privsep": 1})))
        .once(POST, Ok(made("uuid-2")));
    let (applied, asked) = carry_out(canned, &one(track(None)));
    assert_eq!(asked, [POST, look, DELETE, POST]);
    assert_eq!(applied.tracks[0].secrets["secret"].expose(), "uuid-2");
}
