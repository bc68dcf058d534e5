//! The options of cloud-init.

use ansible::Args;
use pve::wire::lists;
use secret::Secret;
use serde_json::json;

use super::stated::{Numbered, Stated};
use crate::guests::config::Unwantable;
use crate::guests::values::sshkeys;

/// What cloud-init makes of the guest.
#[derive(Args, Debug, Default)]
pub struct CloudInit {
    /// Snippets in place of the generated data, such as V(user=local:snippets/web.yml).
    pub cicustom: Option<String>,
    /// The password of O(ciuser). It is compared with the hash that the server keeps, and written where it differs.
    pub cipassword: Option<Secret>,
    /// The format of the data, by default V(nocloud) for Linux and V(configdrive2) for Windows.
    #[arg(choices = ["nocloud", "configdrive2"])]
    pub citype: Option<String>,
    /// Whether the packages are upgraded at the first boot.
    pub ciupgrade: Option<bool>,
    /// The user that is made.
    pub ciuser: Option<String>,
    /// IP configurations by key, V(ipconfig0) and so on, such as V(ip=dhcp) or
    /// V(ip=192.0.2.10/24,gw=192.0.2.1). A gateway is not kept when the address changes without it.
    pub ipconfig: Option<Numbered>,
    /// DNS servers.
    pub nameservers: Option<Vec<String>>,
    /// DNS search domains.
    pub searchdomains: Option<Vec<String>>,
    /// The SSH public keys of O(ciuser), one on each line. They replace those that are there.
    #[arg(no_log = false)]
    pub sshkeys: Option<String>,
}

impl CloudInit {
    /// The keys of the configuration that are stated.
    pub fn state(&self, stated: &mut Stated) -> Result<(), Unwantable> {
        stated.text("cicustom", self.cicustom.as_ref());
        stated.password("cipassword", self.cipassword.as_ref());
        stated.text("citype", self.citype.as_ref());
        stated.switch("ciupgrade", self.ciupgrade);
        stated.text("ciuser", self.ciuser.as_ref());
        stated.numbered("ipconfig", self.ipconfig.as_ref())?;
        stated.put("nameserver", list(self.nameservers.as_ref()));
        stated.put("searchdomain", list(self.searchdomains.as_ref()));
        let keys = self.sshkeys.as_ref().map(|keys| sshkeys(&json!(keys)));
        stated.put("sshkeys", keys.transpose()?);
        Ok(())
    }
}

/// An empty list states nothing, as with the module of old.
fn list(items: Option<&Vec<String>>) -> Option<String> {
    items
        .filter(|items| !items.is_empty())
        .map(|items| lists::spaced(items))
}
