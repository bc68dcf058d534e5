//! `proxmox_template`: container templates, ISO images and images to be imported, on a storage; by
//! `/nodes/{node}/storage/{storage}` and `/nodes/{node}/aplinfo`.

mod ahead;
mod wish;

use std::time::Duration;

use ansible::{Args, Choice, Failure};
use pve::apply::Applied;
use pve::nodes::storage::File;
use pve::{Cluster, Plan, Planned, Step, Track};
use serde_json::{Value, json};

use super::volume::{Algorithm, Content, Volume};
use crate::connection::{Connection, DropIn};
use crate::fault;
use crate::guests::single;
use crate::job::{Job, Report, Task};
use crate::resource::State;
use ahead::{Ahead, LARGE};
use wish::{Source, Wish};

/// How long the sending of a file may take, whatever its size.
const SENDING: Duration = Duration::from_secs(24 * 3600);

/// The options of `proxmox_template`.
#[derive(Args, Debug)]
#[args(
    mutually_exclusive(["src", "url"]),
    required_together(["checksum", "checksum_algorithm"]),
    required_if(key = "state", value = "absent", all = ["template"])
)]
pub struct TemplateArgs {
    /// Where the API is.
    #[arg(flatten)]
    pub connection: DropIn,
    /// The node by which the storage is reached. Needed only where several nodes have a storage of this name that they
    /// do not share, and so other content each.
    pub node: Option<String>,
    /// A file of the machine that the module runs on, which is uploaded. Its name becomes that of the volume.
    #[arg(kind = "path")]
    pub src: Option<String>,
    /// The address of a file, C(http) or C(https), which the node downloads itself.
    pub url: Option<String>,
    /// The name of the volume: of what is to go, of what O(url) leads to, where that is not to keep its own name, or of
    /// a container template in the index of appliances.
    pub template: Option<String>,
    /// What kind of content it is.
    #[arg(default = "vztmpl")]
    pub content_type: Content,
    /// The storage.
    #[arg(default = "local")]
    pub storage: String,
    /// How many seconds the server may take, once it has what it needs of us. The default counts only where this option
    /// is stated: without it the server is given four hours.
    #[arg(default = 30)]
    pub timeout: u32,
    /// Whether a volume of this name that is there is replaced. Otherwise it is left as it is.
    #[arg(default = false)]
    pub force: bool,
    /// Whether the volume is there.
    #[arg(default = "present")]
    pub state: State,
    /// How O(checksum) is made.
    pub checksum_algorithm: Option<Algorithm>,
    /// What the file must hash to, in hexadecimal digits. The server checks it before the volume comes to be.
    pub checksum: Option<String>,
}

/// The module.
pub struct ProxmoxTemplate;

crate::module!(ProxmoxTemplate, "proxmox_template");

/// The volume, and what is said of it.
pub type Notes = (Volume, &'static str);

impl Job for ProxmoxTemplate {
    type Args = TemplateArgs;
    type Notes = Notes;

    fn connection(args: &TemplateArgs) -> &Connection {
        &args.connection.connection
    }

    fn plan(task: &Task<'_, TemplateArgs>, cluster: &Cluster) -> Result<Planned<Notes>, Failure> {
        let args = task.args;
        let wish = Wish::of(args)?;
        let node = match &args.node {
            Some(node) => node.clone(),
            None => ahead::node_of(cluster, &args.storage)?,
        };
        let files = cluster
            .files(&node, &args.storage, args.content_type.name())
            .map_err(|error| {
                let storage = &args.storage;
                let what = format!("read the content of storage `{storage}` on node `{node}`");
                fault::unable(&what, &error)
            })?;
        let (volume, there) = find(args, &wish, node, &files);
        let change = Change {
            task,
            cluster,
            wish: &wish,
            volume: &volume,
            there,
        };
        let (said, mut plan) = change.plan()?;
        plan.warnings.extend(wish::idle(args, &wish));
        Ok(Planned::Ready(plan, (volume, said)))
    }

    fn report(
        _task: &Task<'_, TemplateArgs>,
        (volume, said): Notes,
        _plan: &Plan,
        _applied: Option<&Applied>,
        _cluster: &Cluster,
    ) -> Report {
        let msg = match said.strip_prefix(VERIFIED) {
            Some(said) => format!("{VERIFIED}template with volid={} {said}", volume.id()),
            None => format!("template with volid={} {said}", volume.id()),
        };
        let mut report = Report {
            msg: Some(msg),
            ..Report::default()
        };
        report
            .returns
            .insert("volid".to_owned(), json!(volume.id()));
        report.returns.insert("node".to_owned(), json!(volume.node));
        report
    }
}

/// Stands before the sentence where the server had a checksum to compare a download with.
const VERIFIED: &str = "Checksum verified, ";

/// The volume that is meant, and what there is of it. Others may have put it
/// there under a name that the API would not give it.
fn find<'a>(
    args: &TemplateArgs,
    wish: &Wish,
    node: String,
    files: &'a [File],
) -> (Volume, Option<&'a File>) {
    let mut volume = Volume {
        node,
        storage: args.storage.clone(),
        content: args.content_type,
        name: wish.name.clone(),
    };
    let there = |volume: &Volume| files.iter().find(|file| file.volid == volume.id());
    if there(&volume).is_none() {
        volume.name = wish.kept_name();
    }
    let found = there(&volume);
    (volume, found)
}

/// What is known when the plan is made.
struct Change<'a> {
    task: &'a Task<'a, TemplateArgs>,
    cluster: &'a Cluster,
    wish: &'a Wish,
    volume: &'a Volume,
    there: Option<&'a File>,
}

impl Change<'_> {
    /// What is said at the end, and what is done.
    fn plan(&self) -> Result<(&'static str, Plan), Failure> {
        match (&self.wish.source, self.there) {
            (None, None) => Ok(("is already deleted", self.nothing(Vec::new()))),
            (None, Some(_)) => {
                let removal = self.written(vec![self.volume.remove()], json!({}));
                Ok(("deleted", removal))
            }
            (Some(source), Some(file)) if !self.task.args.force => {
                let doubts = self.doubts(source, file).into_iter().collect();
                Ok(("already exists", self.nothing(doubts)))
            }
            (Some(source), _) => self.arrival(source),
        }
    }

    fn arrival(&self, source: &Source) -> Result<(&'static str, Plan), Failure> {
        let volume = self.volume;
        if let Some(why) = volume.content.refuses(&volume.name) {
            return Err(Failure::new(why));
        }
        let ahead = Ahead {
            cluster: self.cluster,
            volume,
            check_mode: self.task.context.check_mode,
        };
        let user = self.cluster.client().user();
        let checksum = self.wish.checksum.as_ref();
        match source {
            Source::File(path) => {
                let size = wish::readable(path).map_err(|why| {
                    Failure::new(format!("unable to upload volume `{}`: {why}", volume.id()))
                })?;
                ahead.upload(size)?;
                let step = volume.upload(path, size, checksum, self.there, user);
                let mut plan = self.written(vec![step], volume.shown(Some(size)));
                if size >= LARGE {
                    plan.notices
                        .push(format!("sending {}, {size} bytes", path.display()));
                }
                Ok(("uploaded", plan))
            }
            Source::Url(url) => {
                let said = match checksum {
                    Some(_) => "Checksum verified, uploaded",
                    None => "uploaded",
                };
                Ok((said, self.download(url, &ahead)?))
            }
            Source::Index => {
                ahead.appliance()?;
                let step = volume.appliance(user);
                Ok(("downloaded", self.written(vec![step], volume.shown(None))))
            }
        }
    }

    fn download(&self, url: &str, ahead: &Ahead<'_>) -> Result<Plan, Failure> {
        let volume = self.volume;
        let user = self.cluster.client().user();
        let step = volume.download(url, self.wish.checksum.as_ref(), user);
        if self.there.is_none() {
            let (size, warnings) = ahead.download(url)?;
            let plan = self.written(vec![step], volume.shown(size));
            return Ok(Plan { warnings, ..plan });
        }
        // The server overwrites no volume by a download, and renames none.
        let size = ahead.replacement(url)?;
        let anew = Step {
            verb: "download anew (the old one is deleted already)",
            ..step
        };
        let steps = vec![volume.remove(), anew];
        let notice = format!(
            "volume {} is deleted, and then downloaded from {url}",
            volume.id()
        );
        Ok(Plan {
            notices: vec![notice],
            ..self.written(steps, volume.shown(size))
        })
    }

    /// What speaks against taking the volume that is there for the one that is wanted.
    fn doubts(&self, source: &Source, file: &File) -> Option<String> {
        let id = self.volume.id();
        if let Source::File(path) = source
            && let (Ok(local), Some(there)) = (wish::readable(path), file.size)
            && local != there
        {
            return Some(format!(
                "volume {id} is there with {there} bytes, and {} has {local}: it is another file, which force: true \
                 uploads",
                path.display()
            ));
        }
        self.wish.checksum.as_ref().map(|_| {
            format!("volume {id} is there already: the server tells no checksum of it, and it was not compared")
        })
    }

    fn before(&self) -> Value {
        self.there
            .map_or_else(|| json!({}), |file| self.volume.shown(file.size))
    }

    fn nothing(&self, warnings: Vec<String>) -> Plan {
        Plan {
            before: self.before(),
            after: self.before(),
            warnings,
            ..Plan::default()
        }
    }

    /// A plan of these steps, and what there is after them.
    fn written(&self, steps: Vec<Step>, after: Value) -> Plan {
        let limit = single::patience(self.task.context, self.task.args.timeout);
        let mut all = limit * u32::try_from(steps.len()).unwrap_or(u32::MAX);
        if steps.iter().any(is_upload) {
            all += SENDING;
        }
        let steps: Vec<Step> = steps.into_iter().map(|step| step.within(limit)).collect();
        let track = Track {
            // Between the old volume's end and the new one's beginning there is none.
            whole: steps.len() > 1,
            limit: Some(all),
            ..Track::new("volume", self.volume.id(), steps)
        };
        Plan {
            tracks: vec![track],
            before: self.before(),
            after,
            ..Plan::default()
        }
    }
}

fn is_upload(step: &Step) -> bool {
    step.call.as_ref().is_some_and(|call| call.upload.is_some())
}

#[cfg(test)]
mod tests;
