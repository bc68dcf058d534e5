//! The options of the machine itself: processors, memory, firmware, clock.

use ansible::Args;

use super::stated::{Numbered, Stated};
use crate::guests::config::Unwantable;

/// The machine.
#[derive(Args, Debug, Default)]
pub struct Hardware {
    /// Whether there is ACPI.
    pub acpi: Option<bool>,
    /// Whether kernel same-page merging may share the VM's memory with others'. Known to Proxmox VE 9.1 and later.
    pub allow_ksm: Option<bool>,
    /// Further arguments to QEMU, for experts. Only root@pam, logged in with its password, may set them.
    pub args: Option<String>,
    /// Whether the VM starts again after a crash. Proxmox VE does not act on it any more.
    pub autostart: Option<bool>,
    /// The least memory in MiB that ballooning leaves; V(0) turns ballooning off.
    pub balloon: Option<u64>,
    /// The firmware.
    #[arg(choices = ["seabios", "ovmf"])]
    pub bios: Option<String>,
    /// What the VM boots from, such as V(order=scsi0;net0). The form of old, letters out of V(acdn), is taken too.
    pub boot: Option<String>,
    /// The disk that the VM boots from, such as V(scsi0). O(boot) says it better.
    pub bootdisk: Option<String>,
    /// Cores of each socket.
    pub cores: Option<u64>,
    /// The processor type, such as V(host) or V(x86-64-v3,flags=+aes).
    pub cpu: Option<String>,
    /// How many processors' time the VM may use at most; V(0) sets no limit.
    pub cpulimit: Option<u64>,
    /// The VM's weight where guests compete for processor time.
    pub cpuunits: Option<u64>,
    /// Whether the processors wait at start for the monitor to let them run.
    pub freeze: Option<bool>,
    /// What may be changed while the VM runs: a list out of V(network), V(disk), V(cpu), V(memory), V(usb) and
    /// V(cloudinit) with commas in between, V(0) for nothing, V(1) for network, disk and usb.
    pub hotplug: Option<String>,
    /// The size in MiB of the huge pages that the memory is made of.
    #[arg(choices = ["any", "2", "1024"])]
    pub hugepages: Option<String>,
    /// The keyboard layout of the VNC console.
    pub keyboard: Option<String>,
    /// Whether the processor's virtualization is used.
    pub kvm: Option<bool>,
    /// Whether the clock shows local time.
    pub localtime: Option<bool>,
    /// The machine type, such as V(q35).
    pub machine: Option<String>,
    /// Memory in MiB.
    pub memory: Option<u64>,
    /// The NUMA topology by key, V(numa0) and so on, such as V(cpus=0-3,memory=2048,hostnodes=0,policy=bind).
    pub numa: Option<Numbered>,
    /// Whether there is NUMA: the API's key C(numa).
    pub numa_enabled: Option<bool>,
    /// The guest's operating system; V(l26) is Linux.
    #[arg(choices = [
        "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris"
    ])]
    pub ostype: Option<String>,
    /// The VM's share of memory where ballooning distributes it; V(0) leaves it out of that.
    pub shares: Option<u64>,
    /// The fields of SMBIOS type 1, such as V(base64=1,serial=MTIz): the API's key C(smbios1). The UUID is kept
    /// where none is stated.
    pub smbios: Option<String>,
    /// Processor sockets.
    pub sockets: Option<u64>,
    /// The date of the clock at start: V(now), V(2026-09-25) or V(2026-09-25T16:01:21).
    pub startdate: Option<String>,
    /// Whether there is a USB tablet, which keeps the pointers of console and guest together.
    pub tablet: Option<bool>,
    /// Whether drift of the clock is corrected.
    pub tdf: Option<bool>,
    /// How many processors the VM starts with, where more can be plugged in.
    pub vcpus: Option<u64>,
}

impl Hardware {
    /// The keys of the configuration that are stated.
    pub fn state(&self, stated: &mut Stated) -> Result<(), Unwantable> {
        for (key, on) in [
            ("acpi", self.acpi),
            ("allow-ksm", self.allow_ksm),
            ("autostart", self.autostart),
            ("freeze", self.freeze),
            ("kvm", self.kvm),
            ("localtime", self.localtime),
            ("numa", self.numa_enabled),
            ("tablet", self.tablet),
            ("tdf", self.tdf),
        ] {
            stated.switch(key, on);
        }
        for (key, number) in [
            ("balloon", self.balloon),
            ("cores", self.cores),
            ("cpulimit", self.cpulimit),
            ("cpuunits", self.cpuunits),
            ("memory", self.memory),
            ("shares", self.shares),
            ("sockets", self.sockets),
            ("vcpus", self.vcpus),
        ] {
            stated.number(key, number);
        }
        for (key, text) in [
            ("args", &self.args),
            ("bios", &self.bios),
            ("boot", &self.boot),
            ("bootdisk", &self.bootdisk),
            ("cpu", &self.cpu),
            ("hotplug", &self.hotplug),
            ("hugepages", &self.hugepages),
            ("keyboard", &self.keyboard),
            ("machine", &self.machine),
            ("ostype", &self.ostype),
            ("smbios1", &self.smbios),
            ("startdate", &self.startdate),
        ] {
            stated.text(key, text.as_ref());
        }
        stated.numbered("numa", self.numa.as_ref())
    }
}
