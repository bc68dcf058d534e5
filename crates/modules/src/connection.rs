//! The options that say where the API is, who asks, and what is trusted.

use std::sync::Arc;

use ansible::{Args, Context, Failure};
use pve::Cluster;
use pve::connection::{Options, ROOT, Target};
use pve::transport::{Https, Pvesh, Way};
use secret::Secret;

/// How many seconds the answer to a read may take where nobody says otherwise:
/// more than the 30 that the server's own proxy waits for a node.
const ANSWER_SECONDS: i64 = 35;

/// The connection options that every module takes.
///
/// A token needs its name and its secret, but no rule says so: the name may also
/// stand in `api_user`. [`Target::from_options`] tells what is missing.
#[derive(Args, Clone, Debug)]
pub struct Connection {
    /// The host of the Proxmox VE API: `host`, `host:port`, `[v6]:port`, or several of them with commas
    /// in between. The next one is tried where one cannot be reached. Without a host the module must run on a
    /// node, as root: there it asks `pvesh` in place of the network, as `root@pam`. Credentials that the task states are
    /// refused then, and secrets and uploads cannot go that way.
    #[arg(env = ["PROXMOX_HOST"])]
    pub api_host: Option<String>,
    /// The port of the API, for hosts that name none. Proxmox VE listens on 8006.
    #[arg(env = ["PROXMOX_PORT"])]
    pub api_port: Option<u16>,
    /// The user, `user@realm`. The full name of a token, `user@realm!tokenid`, is understood too.
    #[arg(default = "root@pam", env = ["PROXMOX_USER"])]
    pub api_user: String,
    /// The user's password. It wins over a token when both are given, unless the task states the token and the
    /// environment the password.
    #[arg(env = ["PROXMOX_PASSWORD"])]
    pub api_password: Option<Secret>,
    /// The code of the second factor, for a user who has one.
    #[arg(env = ["PROXMOX_OTP"])]
    pub api_otp: Option<Secret>,
    /// The name of the token: the part after `!`, or `user@realm!tokenid`.
    #[arg(env = ["PROXMOX_TOKEN_ID"], no_log = false)]
    pub api_token_id: Option<String>,
    /// The token's secret.
    #[arg(env = ["PROXMOX_TOKEN_SECRET"])]
    pub api_token_secret: Option<Secret>,
    /// A file, or a directory, of certificates in PEM form that are trusted in place of the system's. On a
    /// node, `/etc/pve/pve-root-ca.pem` is the certificate to copy.
    #[arg(kind = "path", env = ["PROXMOX_CA_PATH"])]
    pub ca_path: Option<String>,
    /// Whether the server's certificate must be trusted.
    #[arg(default = true, env = ["PROXMOX_VALIDATE_CERTS"])]
    pub validate_certs: bool,
    /// The SHA-256 fingerprint of the server's certificate, colons optional. That certificate is trusted
    /// whoever signed it.
    #[arg(env = ["PROXMOX_FINGERPRINT"])]
    pub api_fingerprint: Option<String>,
    /// How many seconds the answer to one read may take. A write is given 35 seconds at least, as the
    /// server's own proxy waits for 30.
    #[arg(default = 35, env = ["PROXMOX_API_TIMEOUT"])]
    pub api_timeout: i64,
}

/// The connection options in the form that the modules of community.proxmox
/// have them in, for those that take their place.
#[derive(Args, Clone, Debug)]
#[args(required_together(["api_token_id", "api_token_secret"]))]
pub struct DropIn {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: Connection,
    /// How many seconds the answer to one read may take. A write is given 35 seconds at least, as the
    /// server's own proxy waits for 30; and so is a read, where neither the task nor the environment states
    /// this option: the default is that of community.proxmox, and too short for a busy server.
    #[arg(default = 5, env = ["PROXMOX_API_TIMEOUT"])]
    pub api_timeout: i64,
}

impl Connection {
    /// These options as a task means them. A default is no reason to give a
    /// busy server up, so only a timeout that was stated is kept to; a token
    /// that the task states is not beaten by a password of the environment; and
    /// who asks by the environment, on a host that nobody named, is meant for
    /// other tasks.
    fn meant(&self, context: &Context) -> Self {
        let mut meant = self.clone();
        if !context.given("api_timeout") {
            meant.api_timeout = ANSWER_SECONDS;
        }
        if context.stated("api_token_secret") && !context.stated("api_password") {
            meant.api_password = None;
        }
        for (option, _) in self.passed_over(context) {
            match option {
                "api_user" => ROOT.clone_into(&mut meant.api_user),
                "api_password" => meant.api_password = None,
                "api_token_id" => meant.api_token_id = None,
                _ => meant.api_token_secret = None,
            }
        }
        meant
    }

    /// The options that the environment alone states and that count only for a
    /// host, where there is none; with their environment variables.
    fn passed_over(&self, context: &Context) -> Vec<(&'static str, &'static str)> {
        let given = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
        if given(self.api_host.as_deref()) {
            return Vec::new();
        }
        let secret = |secret: Option<&Secret>| secret.is_some_and(|secret| !secret.is_empty());
        [
            ("api_user", "PROXMOX_USER", self.api_user != ROOT),
            (
                "api_password",
                "PROXMOX_PASSWORD",
                secret(self.api_password.as_ref()),
            ),
            (
                "api_token_id",
                "PROXMOX_TOKEN_ID",
                given(self.api_token_id.as_deref()),
            ),
            (
                "api_token_secret",
                "PROXMOX_TOKEN_SECRET",
                secret(self.api_token_secret.as_ref()),
            ),
        ]
        .into_iter()
        .filter(|(option, _, given)| *given && context.from_environment.contains(*option))
        .map(|(option, variable, _)| (option, variable))
        .collect()
    }

    /// What is said where the environment names somebody, but no host where he would ask.
    pub fn warning(&self, context: &Context) -> Option<String> {
        let variables: Vec<_> = self
            .passed_over(context)
            .into_iter()
            .map(|(_, variable)| variable)
            .collect();
        (!variables.is_empty()).then(|| {
            format!(
                "{} of the environment is not used: neither api_host nor PROXMOX_HOST names a host, so that it \
                 is pvesh on this node that is asked, as root@pam",
                variables.join(", ")
            )
        })
    }

    /// Where requests go by these options.
    fn target(&self) -> Result<Target, Failure> {
        Target::from_options(Options {
            api_host: self.api_host.as_deref(),
            api_port: self.api_port,
            api_user: Some(&self.api_user),
            api_password: self.api_password.as_ref(),
            api_otp: self.api_otp.as_ref(),
            api_token_id: self.api_token_id.as_deref(),
            api_token_secret: self.api_token_secret.as_ref(),
            ca_path: self.ca_path.as_deref(),
            validate_certs: Some(self.validate_certs),
            api_fingerprint: self.api_fingerprint.as_deref(),
            api_timeout: Some(self.api_timeout),
        })
        .map_err(|error| Failure::new(error.to_string()))
    }

    /// The way that requests go, in the run of this context. Nothing is sent yet.
    pub fn way(&self, context: &Context) -> Result<Way, Failure> {
        Ok(match self.meant(context).target()? {
            Target::Remote(connection) => Way::Https(Arc::new(Https::new(connection))),
            Target::Local { read_timeout } => {
                Way::Pvesh(Arc::new(Pvesh::new(read_timeout, context.interrupted())))
            }
        })
    }

    /// What can be seen by it.
    pub fn cluster(&self, context: &Context) -> Result<Cluster, Failure> {
        Ok(Cluster::new(self.way(context)?.client()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Connection, DropIn};
    use ansible::{Args, Context, Failure};
    use pve::connection::Target;
    use serde_json::{Map, Value, json};

    fn user(options: Value) -> Result<String, String> {
        let Value::Object(options) = options else {
            return Err("not an object".to_owned());
        };
        Connection::parse(options)
            .map_err(|error| error.to_string())?
            .target()
            .and_then(caller)
            .map_err(|failure| failure.msg)
    }

    fn caller(target: Target) -> Result<String, Failure> {
        match target {
            Target::Remote(connection) => Ok(connection.credentials.name()),
            Target::Local { .. } => Err(Failure::new("local")),
        }
    }

    #[test]
    fn a_token_is_understood_however_it_is_named() {
        for named in [
            json!({"api_user": "ansible@pam!mms"}),
            json!({"api_token_id": "ansible@pam!mms"}),
            json!({"api_user": "ansible@pam", "api_token_id": "mms"}),
            json!({"api_user": "ansible@pam!mms", "api_token_id": "mms"}),
        ] {
            let mut options = named.clone();
            options["api_host"] = json!("pve1");
            options["api_token_secret"] = json!("x");
            assert_eq!(user(options).as_deref(), Ok("ansible@pam!mms"), "{named}");
        }
    }

    #[test]
    fn a_timeout_that_nobody_stated_is_no_reason_to_give_up() {
        let options = json!({"api_host": "pve1"});
        let Value::Object(options) = options else {
            unreachable!()
        };
        let short = DropIn::parse(options).unwrap().connection;
        assert_eq!(short.api_timeout, 5);
        let mut context = Context::default();
        assert_eq!(short.meant(&context).api_timeout, 35);
        context.given.insert("api_timeout".to_owned());
        assert_eq!(short.meant(&context).api_timeout, 5);
    }

    /// A task with these options, of which some come from the environment.
    fn stated(options: &Map<String, Value>, from_environment: &[&str]) -> Context {
        Context {
            given: options.keys().cloned().collect(),
            from_environment: from_environment
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
            ..Context::default()
        }
    }

    #[test]
    fn a_token_of_the_task_stands_before_a_password_of_the_environment() {
        let options = json!({
            "api_host": "pve1", "api_user": "a@pve!mms", "api_token_secret": "x", "api_password": "y",
        });
        let Value::Object(options) = options else {
            unreachable!()
        };
        let context = |from_environment: &[&str]| stated(&options, from_environment);
        let both = Connection::parse(options.clone()).unwrap();
        for (from_environment, name) in [
            (&["api_password"][..], "a@pve!mms"),
            (&[], "a@pve"),
            (&["api_token_secret"], "a@pve"),
            (&["api_token_secret", "api_password"], "a@pve"),
        ] {
            let target = both.meant(&context(from_environment)).target();
            assert_eq!(
                target.and_then(caller).unwrap(),
                name,
                "{from_environment:?}"
            );
        }
    }

    #[test]
    fn who_asks_by_the_environment_alone_is_no_caller_on_the_node() {
        let Value::Object(options) = json!({"api_user": "a@pve", "api_password": "y"}) else {
            unreachable!()
        };
        let context = |from_environment: &[&str]| stated(&options, from_environment);
        let all = ["api_user", "api_password"];
        let mut asked = Connection::parse(options.clone()).unwrap();
        assert!(matches!(
            asked.meant(&context(&all)).target(),
            Ok(Target::Local { .. })
        ));
        assert!(
            asked
                .warning(&context(&all))
                .unwrap()
                .starts_with("PROXMOX_USER, PROXMOX_PASSWORD of")
        );
        for stated in all {
            let rest: Vec<_> = all.into_iter().filter(|name| *name != stated).collect();
            let failure = asked.meant(&context(&rest)).target().unwrap_err();
            assert!(
                failure.msg.contains(&format!("leave {stated} out")),
                "{failure:?}"
            );
        }
        asked.api_host = Some("pve1".to_owned());
        let caller = asked.meant(&context(&all)).target().and_then(caller);
        assert_eq!(caller.unwrap(), "a@pve");
        assert_eq!(asked.warning(&context(&all)), None);
    }

    #[test]
    fn a_token_without_its_secret_is_said_to_be_so() {
        let options = json!({"api_host": "pve1", "api_token_id": "ansible@pam!mms"});
        assert_eq!(
            user(options).unwrap_err(),
            "the token `ansible@pam!mms` was given without its secret: set api_token_secret"
        );
    }
}
