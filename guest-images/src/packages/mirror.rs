// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Choice of the Debian mirror: the one that was asked for, or the one that the host's apt uses.

use std::fs;
use std::path::Path;

use deb822_fast::Deb822;
use host_guard::file;

#[cfg(test)]
mod tests;

/// Environment variable that names a mirror.
pub const VARIABLE: &str = "SMMU_EMU_MIRROR";

/// Largest file of apt sources that is read.
const MAX_SOURCES: u64 = 1 << 20;

/// Reason why there is no mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// No mirror is named.
    #[error(
        "no Debian mirror is known: the apt sources of this machine name none. Give one with `--mirror URL` or \
         {VARIABLE}=URL; it is the part of the address before /dists and /pool"
    )]
    None,
    /// The text that was given is not an address.
    #[error("mirror \"{url}\" (from {from}): {problem}")]
    Bad {
        /// The address.
        url: String,
        /// Origin of the text.
        from: String,
        /// Description of the problem.
        problem: &'static str,
    },
}

/// A mirror of the Debian archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Address without a slash at its end.
    pub url: String,
    /// Origin of the address, for messages.
    pub from: String,
}

impl Mirror {
    /// Address of a file of the archive.
    pub fn address(&self, path: &str) -> String {
        // '+' and '~' are common in versions; servers that follow the form encoding read a bare '+' as a space.
        format!("{}/{}", self.url, path.replace('+', "%2B"))
    }

    /// Whether it is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.url.split("://").nth(1).unwrap_or_default();
        ["127.", "localhost", "[::1]"]
            .iter()
            .any(|local| host.starts_with(local))
    }

    fn checked(url: &str, from: &str) -> Result<Self, MirrorError> {
        let error = |problem| MirrorError::Bad {
            url: url.to_owned(),
            from: from.to_owned(),
            problem,
        };
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        let rest = rest.ok_or_else(|| error("it has to start with http:// or https://"))?;
        if rest.is_empty() || rest.starts_with('/') || rest.contains(|c: char| c.is_whitespace()) {
            return Err(error("it has no host, or a space in it"));
        }
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            from: from.to_owned(),
        })
    }
}

/// Finds the mirror: `asked_for` (`--mirror`), then `variable` (the value of [`VARIABLE`]), then the apt sources below
/// `apt`, usually `/etc/apt`.
///
/// # Errors
///
/// [`MirrorError`]: none named anywhere, or a named one that is not an address.
pub fn find(asked_for: Option<&str>, variable: Option<&str>, apt: &Path) -> Result<Mirror, MirrorError> {
    if let Some(url) = asked_for {
        return Mirror::checked(url, "--mirror");
    }
    if let Some(url) = variable.filter(|url| !url.is_empty()) {
        return Mirror::checked(url, VARIABLE);
    }
    from_apt(apt).ok_or(MirrorError::None)
}

fn from_apt(apt: &Path) -> Option<Mirror> {
    let mut files = vec![apt.join("sources.list")];
    let mut more: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    more.sort();
    files.extend(more);
    for path in files {
        let Ok(text) = file::read_text(&path, MAX_SOURCES) else {
            continue;
        };
        let url = match path.extension().and_then(|e| e.to_str()) {
            Some("list") => from_list(&text),
            Some("sources") => from_deb822(&text),
            _ => None,
        };
        let from = path.display().to_string();
        if let Some(mirror) = url.and_then(|url| Mirror::checked(&url, &from).ok()) {
            return Some(mirror);
        }
    }
    None
}

/// One-line format: `deb [options] address suite component…`.
pub(crate) fn from_list(text: &str) -> Option<String> {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb ").or_else(|| line.strip_prefix("deb\t")) else {
            continue;
        };
        let rest = rest.trim_start();
        let (options, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((options, rest)) => (options, rest),
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let (Some(url), Some(suite)) = (words.next(), words.next()) else {
            continue;
        };
        let components: Vec<&str> = words.collect();
        let signed_by = options
            .split_whitespace()
            .find_map(|o| o.strip_prefix("signed-by="));
        if serves_debian(url, &[suite], &components, signed_by) {
            return Some(url.to_owned());
        }
    }
    None
}

/// Stanza format, `.sources`.
pub(crate) fn from_deb822(text: &str) -> Option<String> {
    let plain: String = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| format!("{l}\n"))
        .collect();
    let stanzas: Deb822 = plain.parse().ok()?;
    for stanza in stanzas.iter() {
        // Field names are matched without regard to case.
        let field = |name: &str| {
            stanza
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
                .unwrap_or_default()
        };
        let words = |name: &str| field(name).split_whitespace().collect::<Vec<&str>>();
        let enabled = !["no", "false", "0"].contains(&field("Enabled").trim().to_ascii_lowercase().as_str());
        if !enabled || !words("Types").contains(&"deb") {
            continue;
        }
        let signed_by = Some(field("Signed-By")).filter(|value| !value.is_empty());
        for url in words("URIs") {
            if serves_debian(url, &words("Suites"), &words("Components"), signed_by) {
                return Some(url.to_owned());
            }
        }
    }
    None
}

/// Whether a source is the Debian archive itself: not its security part, and not some other archive.
fn serves_debian(url: &str, suites: &[&str], components: &[&str], signed_by: Option<&str>) -> bool {
    let http = url.starts_with("http://") || url.starts_with("https://");
    let security = suites
        .iter()
        .all(|suite| suite.ends_with("-security") || suite.ends_with("/updates"));
    if !http || security || !components.contains(&"main") {
        return false;
    }
    url.trim_end_matches('/').ends_with("/debian")
        || signed_by.is_some_and(|key| key.contains("debian-archive-keyring"))
}
