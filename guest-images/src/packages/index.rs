// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Debian's package index, and following dependencies in it.

use std::collections::{BTreeMap, BTreeSet};

use deb822_fast::Deb822;

use crate::packages::lock::Package;

#[cfg(test)]
mod tests;

/// One package of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) package: Package,
    /// `Pre-Depends` and `Depends`.
    pub(crate) depends: Vec<Dependency>,
    pub(crate) provides: Vec<String>,
}

/// One dependency: alternatives, each with the exact version that it asks for, if it does.
pub(crate) type Dependency = Vec<(String, Option<String>)>;

/// The packages of several suites, for one architecture.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In suite order, so that the last one is the preferred one for QEMU and kernels.
    suites: Vec<BTreeMap<String, Listed>>,
}

impl Index {
    /// Adds the `Packages` file of a suite.
    pub(crate) fn add_suite(&mut self, suite: &str, text: &str) -> Result<(), String> {
        let stanzas: Deb822 = text.parse().map_err(|e: deb822_fast::Error| e.to_string())?;
        let mut packages = BTreeMap::new();
        for stanza in stanzas.iter() {
            let field = |name: &str| stanza.get(name).unwrap_or_default();
            let Ok(size) = field("Size").parse() else { continue };
            let package = Package {
                package: field("Package").to_owned(),
                version: field("Version").to_owned(),
                architecture: field("Architecture").to_owned(),
                suite: suite.to_owned(),
                path: field("Filename").to_owned(),
                size,
                sha256: field("SHA256").to_owned(),
            };
            let mut depends = dependencies(field("Pre-Depends"));
            depends.extend(dependencies(field("Depends")));
            let provides = dependencies(field("Provides"))
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .collect();
            packages.insert(
                package.package.clone(),
                Listed {
                    package,
                    depends,
                    provides,
                },
            );
        }
        self.suites.push(packages);
        Ok(())
    }

    /// A package from the last suite that has it.
    pub(crate) fn latest(&self, name: &str) -> Option<&Listed> {
        self.suites.iter().rev().find_map(|suite| suite.get(name))
    }

    /// A package in an exact version, from whichever suite has that.
    fn exact(&self, name: &str, version: &str) -> Option<&Listed> {
        self.suites
            .iter()
            .filter_map(|suite| suite.get(name))
            .find(|l| l.package.version == version)
    }

    /// A package, or one that provides it, from the first suite that has it.
    fn stable(&self, name: &str) -> Option<&Listed> {
        let provider = |suite: &'_ BTreeMap<String, Listed>| -> Option<String> {
            let found = suite.values().find(|l| l.provides.iter().any(|p| p == name))?;
            Some(found.package.package.clone())
        };
        self.suites
            .iter()
            .find_map(|suite| suite.get(name))
            .or_else(|| self.suites.iter().find_map(|suite| suite.get(&provider(suite)?)))
    }

    /// Everything that `start` needs to run: of alternatives the first that exists, from the first suite unless an
    /// exact version is asked for. There is no solver; what comes out is tried before it is locked.
    pub(crate) fn closure(&self, start: &str, without: &[String]) -> Result<Vec<Package>, String> {
        let first = self
            .latest(start)
            .ok_or_else(|| format!("the index has no package {start}"))?;
        let mut found: BTreeMap<String, &Listed> = BTreeMap::new();
        let mut open = vec![first];
        while let Some(listed) = open.pop() {
            if found.insert(listed.package.package.clone(), listed).is_some() {
                continue;
            }
            for alternatives in &listed.depends {
                if alternatives.iter().any(|(name, _)| without.contains(name)) {
                    continue;
                }
                let pick = alternatives.iter().find_map(|(name, version)| match version {
                    Some(version) => self.exact(name, version),
                    None => self.stable(name),
                });
                let pick = pick.ok_or_else(|| {
                    let names: Vec<&str> = alternatives.iter().map(|(name, _)| name.as_str()).collect();
                    format!(
                        "{} depends on {}, which no suite has",
                        listed.package.package,
                        names.join(" | ")
                    )
                })?;
                if !found.contains_key(&pick.package.package) {
                    open.push(pick);
                }
            }
        }
        Ok(found.into_values().map(|listed| listed.package.clone()).collect())
    }

    /// A kernel: its image package and the `linux-…` packages that it depends on in an exact version. (The others are
    /// tools for an installed system.)
    pub(crate) fn kernel(&self, release: &str) -> Result<Vec<Package>, String> {
        let start = format!("linux-image-{release}");
        let first = self
            .latest(&start)
            .ok_or_else(|| format!("the index has no package {start}"))?;
        let mut found = BTreeMap::new();
        let mut open = vec![first];
        while let Some(listed) = open.pop() {
            if found
                .insert(listed.package.package.clone(), listed.package.clone())
                .is_some()
            {
                continue;
            }
            for (name, version) in listed.depends.iter().flatten() {
                let Some(version) = version.as_ref().filter(|_| name.starts_with("linux-")) else {
                    continue;
                };
                match self.exact(name, version) {
                    Some(listed) => open.push(listed),
                    // Lists of what is built in, without which everything works; the archive drops it before the image.
                    None if name.starts_with("linux-base-") => {}
                    None => {
                        let by = &listed.package.package;
                        return Err(format!("{by} depends on {name} {version}, which no suite has"));
                    }
                }
            }
        }
        // Only these hold files that a guest needs.
        let useful = ["linux-base-", "linux-binary-", "linux-modules-"];
        let split = found.keys().any(|name| name.starts_with("linux-modules-"));
        let keep = |package: &Package| {
            let name = &package.package;
            if split {
                useful.iter().any(|prefix| name.starts_with(prefix))
            } else {
                *name == start
            }
        };
        Ok(found.into_values().filter(keep).collect())
    }

    /// Release of the newest kernel, by a metapackage like `linux-image-arm64`.
    pub(crate) fn newest_kernel(&self, metapackage: &str) -> Option<String> {
        let names = self.latest(metapackage)?.depends.iter().flatten();
        names
            .filter_map(|(name, _)| name.strip_prefix("linux-image-"))
            .map(str::to_owned)
            .next()
    }

    /// Names of all packages with a prefix.
    pub(crate) fn names(&self, prefix: &str) -> BTreeSet<&str> {
        let names = self.suites.iter().flat_map(BTreeMap::keys).map(String::as_str);
        names.filter(|name| name.starts_with(prefix)).collect()
    }
}

/// `a (>= 1) | b, c:any (= 2)`.
fn dependencies(field: &str) -> Vec<Dependency> {
    let parse_one = |text: &str| -> Option<(String, Option<String>)> {
        let (name, rest) = text.split_once('(').unwrap_or((text, ""));
        let name = name.split(['[', '<']).next()?.trim();
        let name = name.split(':').next().filter(|name| !name.is_empty())?;
        let version = rest
            .trim_start()
            .strip_prefix('=')
            .and_then(|rest| rest.split(')').next());
        Some((name.to_owned(), version.map(|v| v.trim().to_owned())))
    };
    let one_of = |text: &str| text.split('|').filter_map(parse_one).collect::<Dependency>();
    field
        .split(',')
        .map(one_of)
        .filter(|alternatives| !alternatives.is_empty())
        .collect()
}
