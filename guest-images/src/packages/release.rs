// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Releases of Debian's kernels: their parts, their order, and which of them a short name means.

use std::fmt;

use crate::packages::index::Index;

#[cfg(test)]
mod tests;

/// Flavours of arm64 kernels, as releases end; one that ends like another comes after it.
pub const FLAVOURS: [&str; 4] = ["arm64", "cloud-arm64", "rt-arm64", "arm64-16k"];
/// Short forms of flavours at the end of what a user writes.
const SHORT: [(&str, &str); 3] = [("cloud", "cloud-arm64"), ("rt", "rt-arm64"), ("16k", "arm64-16k")];
/// Most releases that a message names.
const NAMED: usize = 40;

/// Reason why a name does not mean one kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kernel \"{wanted}\": {problem}{}", Listing(available))]
pub struct NoKernel {
    /// Text that was given.
    pub wanted: String,
    /// Description of the problem.
    pub problem: String,
    /// Releases to choose from.
    pub available: Vec<String>,
}

/// Releases at the end of a message.
struct Listing<'a>(&'a [String]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = self.0.len().saturating_sub(NAMED);
        let named = self.0.get(more..).unwrap_or_default();
        write!(f, "{}", named.join(", "))?;
        match more {
            0 => Ok(()),
            more => write!(f, " and {more} older ones (`boot-stress kernels` lists all)"),
        }
    }
}

/// A release in its parts: `7.0.10+deb13` and `arm64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// Version of Linux with Debian's suffix.
    pub(crate) base: &'a str,
    /// One of [`FLAVOURS`].
    pub(crate) flavour: &'static str,
}

impl<'a> Name<'a> {
    /// Reads a release; `None` if it is that of no kernel, as of a metapackage.
    pub(crate) fn of(release: &'a str) -> Option<Self> {
        let flavours = FLAVOURS.iter().rev();
        let mut split = flavours.filter_map(|flavour| {
            let base = release.strip_suffix(flavour)?.strip_suffix('-')?;
            Some(Self { base, flavour })
        });
        let name = split.next()?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".+-~".contains(&b);
        let starts_well = name.base.starts_with(|c: char| c.is_ascii_digit());
        (starts_well && name.base.bytes().all(plain)).then_some(name)
    }

    /// Reads what a user writes: a release, or the beginning of one, with or without a flavour.
    fn wanted(text: &'a str) -> Self {
        let short = SHORT.iter().find_map(|(short, flavour)| {
            let base = text.strip_suffix(short)?.strip_suffix('-')?;
            Some(Self { base, flavour })
        });
        Self::of(text).or(short).unwrap_or(Self {
            base: text,
            flavour: "arm64",
        })
    }

    /// First two numbers of the version.
    fn series(&self) -> Vec<u64> {
        version_key(self.base).into_iter().take(2).collect()
    }

    /// Release of the newest kernel of the same series and flavour that has all its packages.
    pub(crate) fn newest_of_series(&self, index: &Index) -> Result<String, NoKernel> {
        let offered = offered(index);
        let of_flavour = |one: &&Offered| one.name().is_some_and(|name| name.flavour == self.flavour);
        let of_series = |one: &&Offered| one.name().is_some_and(|name| name.series() == self.series());
        let usable = offered.iter().filter(of_flavour).filter(|one| one.complete);
        let newest = usable
            .clone()
            .filter(of_series)
            .max_by_key(|one| version_key(&one.release));
        newest.map(|one| one.release.clone()).ok_or_else(|| NoKernel {
            wanted: self.base.to_owned(),
            problem: format!(
                "the archive has no {} kernel of its series; it has ",
                self.flavour
            ),
            available: usable.map(|one| one.release.clone()).collect(),
        })
    }
}

/// A kernel that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Output of `uname -r`.
    pub release: String,
    /// Version of the package.
    pub version: String,
    /// Suite that has it; empty if the cache has it alone.
    pub suite: String,
    /// Whether the archive has all packages that it is made of.
    pub complete: bool,
}

impl Offered {
    pub(crate) fn name(&self) -> Option<Name<'_>> {
        Name::of(&self.release)
    }
}

/// The kernels of an index, from old to new.
pub(crate) fn offered(index: &Index) -> Vec<Offered> {
    let names = index.names(IMAGE).into_iter();
    let releases = names.filter_map(|name| name.strip_prefix(IMAGE).filter(|rest| Name::of(rest).is_some()));
    let mut all: Vec<Offered> = releases
        .filter_map(|release| {
            let listed = index.latest(&format!("{IMAGE}{release}"))?;
            Some(Offered {
                release: release.to_owned(),
                version: listed.package.version.clone(),
                suite: listed.package.suite.clone(),
                complete: index.kernel(release).is_ok(),
            })
        })
        .collect();
    all.sort_by_cached_key(|one| (version_key(&one.release), one.release.clone()));
    all
}

/// Beginning of the names of packages with kernels.
const IMAGE: &str = "linux-image-";

/// How far a kernel is what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The text is the beginning of its release or version.
    Prefix,
    /// The text is its version of Linux, as upstream counts.
    Upstream,
    /// The text is its release.
    Release,
}

/// Whether a version begins with another one, number by number: 7.0.1 is not the beginning of 7.0.10.
pub(crate) fn is_beginning(beginning: &str, version: &str) -> bool {
    let rest = version.strip_prefix(beginning);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn fit(wanted: &Name<'_>, release: &str, version: &str) -> Option<Fit> {
    let name = Name::of(release).filter(|name| name.flavour == wanted.flavour)?;
    let upstream = [name.base.split('+').next(), version.split('-').next()];
    if name.base == wanted.base {
        Some(Fit::Release)
    } else if upstream.contains(&Some(wanted.base)) {
        Some(Fit::Upstream)
    } else {
        let begins = |text: &str| is_beginning(wanted.base, text);
        (begins(name.base) || begins(version)).then_some(Fit::Prefix)
    }
}

/// Whether the text names this kernel in full: its release, or its version of Linux.
pub(crate) fn is_in_full(wanted: &str, release: &str, version: &str) -> bool {
    fit(&Name::wanted(wanted), release, version).is_some_and(|fit| fit >= Fit::Upstream)
}

/// Whether the text is the kernel's release, with or without its flavour.
pub(crate) fn is_release(wanted: &str, release: &str) -> bool {
    fit(&Name::wanted(wanted), release, "") == Some(Fit::Release)
}

/// The kernel that a text means: the one that it names, or the only one that begins with it, of those that have all
/// their packages.
pub(crate) fn pick<'a>(wanted: &str, offered: &'a [Offered]) -> Result<&'a Offered, NoKernel> {
    let error = |problem: String, available: Vec<&Offered>| NoKernel {
        wanted: wanted.to_owned(),
        problem,
        available: available.iter().map(|one| one.release.clone()).collect(),
    };
    let name = Name::wanted(wanted);
    let starts_well = name.base.starts_with(|c: char| c.is_ascii_digit());
    let fitting: Vec<(Fit, &Offered)> = offered
        .iter()
        .filter_map(|one| Some((fit(&name, &one.release, &one.version)?, one)))
        .filter(|_| starts_well)
        .collect();
    let best = fitting.iter().map(|(fit, _)| *fit).max();
    let fitting = fitting.into_iter().filter(|(fit, _)| Some(*fit) == best);
    let (complete, rest): (Vec<&Offered>, Vec<&Offered>) =
        fitting.map(|(_, one)| one).partition(|one| one.complete);
    match (complete.as_slice(), rest.last()) {
        ([one], _) => Ok(one),
        ([_, ..], _) => Err(error("it may mean several; say which of ".to_owned(), complete)),
        ([], missing) => {
            let of_flavour = |one: &&Offered| one.name().is_some_and(|of| of.flavour == name.flavour);
            let usable = offered.iter().filter(of_flavour).filter(|one| one.complete);
            let problem = match missing {
                Some(one) => format!(
                    "the archive no longer has all packages of {}; it has ",
                    one.release
                ),
                None => "no suite has it; there are ".to_owned(),
            };
            Err(error(problem, usable.collect()))
        }
    }
}

/// A release in its version and its flavour: `7.0.10+deb13` and `arm64`.
pub fn split(release: &str) -> Option<(&str, &'static str)> {
    Name::of(release).map(|name| (name.base, name.flavour))
}

/// The numbers of a release or version, for comparing: `6.16.3+deb13-arm64` is 6, 16, 3, 13; `6.1.0-50-arm64` is 6, 1,
/// 0, 50.
pub fn version_key(release: &str) -> Vec<u64> {
    let base = Name::of(release).map_or(release, |name| name.base);
    base.split(|c: char| !c.is_ascii_digit())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Whether a kernel of that release can print the late-probe warning, which came with Linux 6.15; `None` if the release
/// does not tell.
pub fn knows_late_probe(release: &str) -> Option<bool> {
    let numbers = version_key(release);
    let first: [u64; 2] = numbers.get(..2)?.try_into().ok()?;
    release
        .starts_with(|c: char| c.is_ascii_digit())
        .then_some(first >= [6, 15])
}
