//! The texts of Proxmox VE that Ferrox matches, each with the place that emits it.
//!
//! Proxmox VE has few status codes: "not found" and "already exists" are 500
//! with a text. Every text that decides anything stands in this one table.

/// What a text of the server is known to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matched {
    /// A lock could not be had in time; it passes.
    LockTimeout,
    /// The guest's configuration carries a `lock:`; it lasts as long as the
    /// operation that set it.
    GuestLocked,
    /// The thing does not exist.
    NotFound,
    /// A guest with that VMID exists.
    VmidTaken,
    /// The thing exists.
    AlreadyExists,
    /// The guest runs already.
    AlreadyRunning,
    /// The guest does not run.
    NotRunning,
    /// The guest did not shut down in the time it was given.
    ShutdownTimeout,
    /// The guest agent does not answer (yet).
    AgentNotRunning,
    /// The guest agent did not answer in time.
    AgentTimeout,
    /// The guest's configuration has no `agent`.
    AgentNotConfigured,
    /// The configuration was changed in between.
    DigestMismatch,
    /// The worker's log has no final line (yet).
    UnexpectedStatus,
    /// This version of the server does not know a parameter.
    UnknownParameter,
}

/// All words of a pattern must stand in the text, in this order.
struct Pattern {
    words: &'static [&'static str],
    means: Matched,
}

/// More specific patterns stand first.
const TABLE: &[Pattern] = &[
    // PVE::Tools::lock_file_full: "can't lock file '…' - got timeout".
    pattern(&["can't lock file", "got timeout"], Matched::LockTimeout),
    // PVE::Cluster::cfs_lock: "cfs-lock 'storage-x' error: got lock request timeout".
    pattern(&["got lock request timeout"], Matched::LockTimeout),
    // PVE::Cluster::cfs_lock, the code inside was cut off after 60 s.
    pattern(
        &["'-locked command timed out - aborting"],
        Matched::LockTimeout,
    ),
    // PVE::AbstractConfig::check_lock: "VM is locked (backup)", "CT is locked (…)".
    pattern(&["VM is locked ("], Matched::GuestLocked),
    pattern(&["CT is locked ("], Matched::GuestLocked),
    // PVE::QemuServer clone and create: "unable to create VM 103: config file already exists".
    pattern(
        &["unable to create VM ", "config file already exists"],
        Matched::VmidTaken,
    ),
    // PVE::Cluster::check_vmid_unused: "unable to create VM 103 - VM 103 already exists on node 'pve1'".
    pattern(
        &["unable to create ", " already exists on node"],
        Matched::VmidTaken,
    ),
    // PVE::API2::Cluster nextid: errors.vmid "VM 103 already exists".
    pattern(&["VM ", " already exists"], Matched::VmidTaken),
    pattern(&["CT ", " already exists"], Matched::VmidTaken),
    // PVE::AccessControl and its API: "create role failed: role 'X' already exists".
    pattern(&["' already exists"], Matched::AlreadyExists),
    // PVE::API2::AccessControl token creation: errors.tokenid.
    pattern(&["Token already exists"], Matched::AlreadyExists),
    // PVE::AbstractConfig::load_config: "Configuration file 'nodes/…' does not exist".
    pattern(
        &["Configuration file '", "' does not exist"],
        Matched::NotFound,
    ),
    // PVE::QemuConfig: "unable to find configuration file for VM 999 on node 'pve1'".
    pattern(
        &["unable to find configuration file for "],
        Matched::NotFound,
    ),
    // PVE::AccessControl: "role 'Nope' does not exist", "no such user ('nope@pve')".
    pattern(&["role '", "' does not exist"], Matched::NotFound),
    pattern(&["user '", "' does not exist"], Matched::NotFound),
    pattern(&["group '", "' does not exist"], Matched::NotFound),
    pattern(&["domain '", "' does not exist"], Matched::NotFound),
    pattern(&["no such user ('"], Matched::NotFound),
    pattern(&["no such group '"], Matched::NotFound),
    pattern(&["no such token '"], Matched::NotFound),
    // PVE::Storage::Config: "storage 'nope' does not exist".
    pattern(&["storage '", "' does not exist"], Matched::NotFound),
    // PVE::AbstractConfig::snapshot_delete: "snapshot 'nope' does not exist".
    pattern(&["snapshot '", "' does not exist"], Matched::NotFound),
    // PVE::API2::Pool: "pool 'nope' does not exist".
    pattern(&["pool '", "' does not exist"], Matched::NotFound),
    // PVE::QemuServer::vm_start: "VM 100 already running"; PVE::LXC: "CT 200 already running".
    pattern(&["VM ", " already running"], Matched::AlreadyRunning),
    pattern(&["CT ", " already running"], Matched::AlreadyRunning),
    // PVE::QemuServer: "VM 100 not running"; PVE::LXC: "CT 200 not running".
    pattern(&["VM ", " not running"], Matched::NotRunning),
    pattern(&["CT ", " not running"], Matched::NotRunning),
    // PVE::QMPClient: "VM 100 qmp command 'guest-ping' failed - got timeout".
    pattern(
        &["qmp command 'guest-", "got timeout"],
        Matched::AgentTimeout,
    ),
    // PVE::QemuServer::vm_stop: "VM quit/powerdown failed - got timeout".
    pattern(&["VM quit/powerdown failed"], Matched::ShutdownTimeout),
    // PVE::LXC::vm_stop: lxc-stop's own text when the time is over.
    pattern(&["lxc-stop", "timeout"], Matched::ShutdownTimeout),
    pattern(&["container did not stop"], Matched::ShutdownTimeout),
    // PVE::QemuServer::Agent: both are HTTP 500.
    pattern(
        &["QEMU guest agent is not running"],
        Matched::AgentNotRunning,
    ),
    pattern(
        &["No QEMU guest agent configured"],
        Matched::AgentNotConfigured,
    ),
    // PVE::Tools::assert_if_modified: "checksum mismatch (file change by other user?)".
    pattern(&["checksum mismatch"], Matched::DigestMismatch),
    // PVE::Tools::upid_read_status.
    pattern(&["unexpected status"], Matched::UnexpectedStatus),
    // PVE::JSONSchema::validate, an entry of `errors`.
    pattern(
        &["property is not defined in schema"],
        Matched::UnknownParameter,
    ),
    // Getopt::Long, for a parameter on the command line of pvesh.
    pattern(&["Unknown option: "], Matched::UnknownParameter),
];

const fn pattern(words: &'static [&'static str], means: Matched) -> Pattern {
    Pattern { words, means }
}

/// What a text is known to mean, if anything.
pub fn matched(text: &str) -> Option<Matched> {
    TABLE
        .iter()
        .find(|pattern| contains_in_order(text, pattern.words))
        .map(|pattern| pattern.means)
}

fn contains_in_order(text: &str, words: &[&str]) -> bool {
    let mut rest = text;
    words.iter().all(|word| match rest.find(word) {
        Some(at) => {
            rest = &rest[at + word.len()..];
            true
        }
        None => false,
    })
}

/// The ACL path and the privileges (any one of them suffices) that
/// `Permission check failed (/vms/100, VM.Config.CPU|VM.Config.Memory)` names.
pub fn missing_right(text: &str) -> Option<(String, Vec<String>)> {
    let start = text.find("Permission check failed (/")? + "Permission check failed (".len();
    let inside = &text[start..start + text[start..].find(')')?];
    let (path, privileges) = inside.split_once(", ")?;
    Some((
        path.to_owned(),
        privileges
            .split(['|', ','])
            .map(|privilege| privilege.trim().to_owned())
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::{Matched, matched, missing_right};

    #[test]
    fn measured_texts_are_recognised() {
        let cases = [
            (
                "can't lock file '/var/lock/qemu-server/lock-9000.conf' - got timeout",
                Matched::LockTimeout,
            ),
            (
                "clone failed: cfs-lock 'storage-x' error: got lock request timeout",
                Matched::LockTimeout,
            ),
            ("VM is locked (clone)\n", Matched::GuestLocked),
            (
                "unable to create VM 103: config file already exists",
                Matched::VmidTaken,
            ),
            ("VM 103 already exists", Matched::VmidTaken),
            (
                "create role failed: role 'X' already exists",
                Matched::AlreadyExists,
            ),
            (
                "Configuration file 'nodes/pve1/qemu-server/777.conf' does not exist",
                Matched::NotFound,
            ),
            (
                "update role failed: role 'Nope' does not exist",
                Matched::NotFound,
            ),
            ("group 'Nope' does not exist", Matched::NotFound),
            (
                "update user failed: user 'x@pve' does not exist",
                Matched::NotFound,
            ),
            (
                "property is not defined in schema and the schema does not allow additional properties",
                Matched::UnknownParameter,
            ),
            ("no such token 't9' for user 'prov@pve'", Matched::NotFound),
            ("VM 100 already running", Matched::AlreadyRunning),
            (
                "VM quit/powerdown failed - got timeout",
                Matched::ShutdownTimeout,
            ),
            ("QEMU guest agent is not running", Matched::AgentNotRunning),
            (
                "VM 100 qmp command 'guest-ping' failed - got timeout",
                Matched::AgentTimeout,
            ),
        ];
        for (text, means) in cases {
            assert_eq!(matched(text), Some(means), "{text}");
        }
        assert_eq!(matched("authentication failure"), None);
    }

    #[test]
    fn a_403_names_path_and_privileges() {
        assert_eq!(
            missing_right("Permission check failed (/vms/100, VM.Config.CPU|VM.Config.Memory)\n"),
            Some((
                "/vms/100".to_owned(),
                vec!["VM.Config.CPU".to_owned(), "VM.Config.Memory".to_owned()]
            ))
        );
        assert_eq!(missing_right("Permission check failed"), None);
    }
}
