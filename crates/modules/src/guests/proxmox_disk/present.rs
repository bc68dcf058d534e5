//! A disk or drive that is made, or brought to the stated options.

use ansible::Failure;
use pve::wire::password::Compared;
use pve::wire::{Kind, PropertyString, Size, same};
use serde_json::json;

use super::{Create, DiskArgs, Subject};
use crate::guests::config::{Change, Want, Wanted, change};
use crate::guests::delta::Delta;
use crate::guests::disks::format_of;
use crate::guests::single::Deed;
use crate::guests::steps::{configure, make_disk};

/// There, with the stated options.
pub(super) fn present(args: &DiskArgs, subject: &Subject<'_>) -> Result<Deed, Failure> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    match (args.create, subject.had()) {
        (Create::Disabled, None) => Ok(Deed::says(format!(
            "Disk {key} not found in VM {vmid} and creation was disabled in parameters."
        ))),
        (Create::Forced, _) | (Create::Regular, None) => {
            made(args, subject).map_err(|why| subject.unable("create", why))
        }
        (Create::Disabled | Create::Regular, Some(had)) => {
            kept(args, subject, had).map_err(|why| subject.unable("update", why))
        }
    }
}

/// What a new disk is made of.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    /// Nothing: a CD-ROM drive with this in it.
    Medium(&'a str),
    /// A volume on a storage that an image is copied to.
    Image(&'a str, &'a str),
    /// A volume on a storage of so many GiB.
    Empty(&'a str, String),
}

impl<'a> Source<'a> {
    fn of(args: &'a DiskArgs, kind: &Kind) -> Result<Self, String> {
        let storage = || {
            let storage = args.storage.as_deref();
            storage.ok_or_else(|| "storage is needed for a new disk".to_owned())
        };
        if let Some(image) = &args.import_from {
            return Ok(Self::Image(storage()?, image));
        }
        if let Some(medium) = medium(args)? {
            return Ok(Self::Medium(medium));
        }
        let size = match &args.size {
            Some(size) => gibibytes(size)?.in_gibibytes(),
            // The server knows how large it has to be.
            None if *kind == *Kind::STATE_DISK => "1".to_owned(),
            None => return Err("size is needed for a new disk, such as 32".to_owned()),
        };
        Ok(Self::Empty(storage()?, size))
    }

    /// As the API takes it.
    fn volume(&self) -> String {
        match self {
            Self::Medium(medium) => (*medium).to_owned(),
            Self::Image(storage, _) => format!("{storage}:0"),
            Self::Empty(storage, size) => format!("{storage}:{size}"),
        }
    }
}

/// What a new CD-ROM drive has in it; nothing for a disk.
fn medium(args: &DiskArgs) -> Result<Option<&str>, String> {
    let is_drive = hold_medium(args)?;
    match (args.iso_image.as_deref(), args.storage.as_deref()) {
        _ if !is_drive => Ok(None),
        (Some(image), _) => Ok(Some(image)),
        (None, None) => Ok(Some("none")),
        (None, Some(volume)) if matches!(volume, "none" | "cdrom") || volume.contains(':') => {
            Ok(Some(volume))
        }
        (None, Some(storage)) => Err(format!(
            "a CD-ROM drive has an image in it, iso_image, and no storage; got storage: {storage}"
        )),
    }
}

/// Whether a CD-ROM drive is wanted. An image goes into nothing else.
fn hold_medium(args: &DiskArgs) -> Result<bool, String> {
    let is_drive = args.drive.media.as_deref() == Some("cdrom");
    if args.iso_image.is_some() && !is_drive {
        return Err("iso_image goes with media: cdrom".to_owned());
    }
    Ok(is_drive)
}

/// A size in GiB, or with a unit.
fn gibibytes(text: &str) -> Result<Size, String> {
    if text.trim_start().starts_with('+') {
        return Err(format!(
            "`{text}` is a growth, for which there is state: resized"
        ));
    }
    let is_number = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let text = text.trim();
    let gibibytes = text.bytes().all(is_number);
    let with_unit = if gibibytes {
        format!("{text}G")
    } else {
        text.to_owned()
    };
    with_unit.parse::<Size>().map_err(|error| error.to_string())
}

/// A new disk or drive.
fn made(args: &DiskArgs, subject: &Subject<'_>) -> Result<Deed, String> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    let kind = kind_of(key)?;
    let source = Source::of(args, kind)?;
    let value = value(args, kind, &source)?;
    let mut delta = Delta::default();
    delta.show(key, json!(subject.had()), json!(value));
    let msg = match &source {
        Source::Medium(_) => format!("CD-ROM was created on {key} bus in VM {vmid}"),
        Source::Image(..) => format!("Disk {key} imported into VM {vmid}"),
        Source::Empty(..) => format!("Disk {key} created in VM {vmid}"),
    };
    if matches!(source, Source::Medium(_)) {
        if subject.had().is_some_and(|had| same(key, had, &value)) {
            return Ok(up_to_date(subject));
        }
        let change = Change {
            set: vec![(key.to_owned(), value.into())],
            ..Change::default()
        };
        delta.then(configure(&subject.vm.path(), &change));
    } else {
        delta.then([make_disk(subject.vm, key, &value, subject.had())]);
    }
    Ok(Deed::says(msg).does(delta))
}

fn value(args: &DiskArgs, kind: &'static Kind, source: &Source<'_>) -> Result<String, String> {
    let mut pairs = vec![("file", source.volume())];
    if let Source::Image(_, image) = source {
        pairs.push(("import-from", (*image).to_owned()));
    }
    pairs.extend(args.drive.pairs());
    let value = PropertyString::from_pairs(kind, pairs).map_err(|error| error.to_string())?;
    Ok(value.to_string())
}

/// A disk or drive that is there: what is not stated of it stays as it is.
fn kept(args: &DiskArgs, subject: &Subject<'_>, had: &str) -> Result<Deed, String> {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    let kind = kind_of(key)?;
    let have = PropertyString::parse(kind, had).map_err(|error| error.to_string())?;
    hold_medium(args)?;
    match (subject.is_drive(), args.drive.media.as_deref()) {
        (true, Some("disk")) => return Err("it is a CD-ROM drive and no disk".to_owned()),
        (false, Some("cdrom")) => {
            let volume = have.get("file").unwrap_or("an unknown volume");
            return Err(format!("it is a disk ({volume}) and no CD-ROM drive"));
        }
        _ => {}
    }
    // The format is the volume's, of which the configuration says nothing.
    let mut pairs = args.drive.pairs();
    pairs.retain(|(name, _)| *name != "format");
    pairs.extend(args.iso_image.clone().map(|image| ("file", image)));
    let stated = PropertyString::from_pairs(kind, pairs).map_err(|error| error.to_string())?;
    let want = Want::Parts {
        set: stated.to_string(),
        unset: Vec::new(),
    };
    let wanted = Wanted::from([(key.to_owned(), want)]);
    let change = change(subject.have, &wanted, Compared::Same).map_err(|error| error.why)?;
    let mut deed = if change.is_empty() {
        up_to_date(subject)
    } else {
        Deed::says(format!("Disk {key} updated in VM {vmid}"))
    };
    if !subject.is_drive() {
        deed.warnings = left(args, key, kind, &have)?;
    }
    Ok(deed.does(Delta {
        steps: configure(&subject.vm.path(), &change).into_iter().collect(),
        before: change.before,
        after: change.after,
    }))
}

/// What is stated of a disk and left as it is.
fn left(
    args: &DiskArgs,
    key: &str,
    kind: &Kind,
    have: &PropertyString,
) -> Result<Vec<String>, String> {
    let mut left = Vec::new();
    if let Some(size) = args.size.as_deref().filter(|_| *kind == *Kind::DISK) {
        let size = gibibytes(size)?;
        match have.size() {
            Some(now) if now < size => left.push(format!(
                "{key} has {now} and not {size}; state: resized grows it"
            )),
            Some(now) if now > size => left.push(format!(
                "{key} has {now} and not {size}; a disk cannot shrink"
            )),
            _ => {}
        }
    }
    if let (Some(format), Some(volume)) = (&args.drive.format, have.get("file"))
        && format != format_of(volume)
    {
        left.push(format!(
            "{key} has the format {} and not {format}; state: moved converts it",
            format_of(volume)
        ));
    }
    if let (Some(storage), Some(now)) = (&args.storage, have.storage())
        && storage != now
    {
        left.push(format!(
            "{key} is on {now} and not on {storage}; state: moved moves it"
        ));
    }
    Ok(left)
}

fn up_to_date(subject: &Subject<'_>) -> Deed {
    let (key, vmid) = (subject.key, subject.vm.vmid);
    Deed::says(format!("Disk {key} is up to date in VM {vmid}"))
}

fn kind_of(key: &str) -> Result<&'static Kind, String> {
    Kind::of(key).ok_or_else(|| format!("{key} is no disk"))
}
