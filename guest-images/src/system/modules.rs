// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Kernel modules: finding them by name, and what has to be loaded before them.
//!
//! Dependencies are read from the modules themselves (`depends=` in `.modinfo`), because `modules.dep` is made when a
//! kernel package is installed and is not in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use host_guard::file;
use object::{Object, ObjectSection};

use crate::packages::compression::Compression;

#[cfg(test)]
pub(crate) mod tests;

/// No kernel module comes near this size; a larger one is refused.
const MAX_MODULE: u64 = 256 << 20;
/// Modules that are tried to find out what kernel they are of.
const TRIED: usize = 16;
/// Largest `modules.builtin`; a kernel with everything built in stays below 1 MiB.
const MAX_BUILTIN: u64 = 16 << 20;
/// Largest `modules.order` of a build directory.
const MAX_ORDER: u64 = 16 << 20;
/// No tree of modules is deeper.
const MAX_DEPTH: usize = 16;

/// Reason why modules cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// The directory or a file in it cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or directory that was read.
        path: PathBuf,
        /// Error of the system.
        source: io::Error,
    },
    /// The kernel has no such module, neither as a file nor built in.
    #[error("no kernel module \"{name}\" under {}{}", tree.display(), needed_by(by))]
    Unknown {
        /// The module's name.
        name: String,
        /// Directory in which it was looked for.
        tree: PathBuf,
        /// The module that depends on it, if one does.
        by: Option<String>,
    },
    /// The file is not a kernel module.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
    },
    /// A module that the kernel would refuse to load.
    #[error("{} is a module of another kernel, {found}; the kernel is {kernel}", path.display())]
    Foreign {
        /// The module's file.
        path: PathBuf,
        /// The release that it was built for.
        found: String,
        /// The release of the kernel.
        kernel: String,
    },
    /// Modules that need each other.
    #[error("kernel module \"{0}\" depends on itself")]
    Cycle(String),
}

fn needed_by(by: &Option<String>) -> String {
    by.as_ref()
        .map(|by| format!(", which \"{by}\" depends on"))
        .unwrap_or_default()
}

/// A module, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Name as `/sys/module` shows it: underscores, no suffix.
    pub name: String,
    /// The ELF file.
    pub contents: Vec<u8>,
    /// Kernel release it was built for, the first word of `vermagic`.
    pub release: Option<String>,
    /// Modules that it names in `depends=`.
    pub depends: Vec<String>,
    /// Modules or aliases that it wants before itself, if there are any (`softdep=pre:`).
    pub wants: Vec<String>,
}

/// The modules of one kernel.
#[derive(Debug)]
pub struct ModuleTree {
    root: PathBuf,
    /// The kernel's release, if it is known.
    release: Option<String>,
    files: BTreeMap<String, PathBuf>,
    builtin: BTreeSet<String>,
}

/// The name as the kernel writes it: `dwc3-of-simple` is `dwc3_of_simple`.
pub fn normal_name(name: &str) -> String {
    name.replace('-', "_")
}

/// Module name of a file name like `virtio-mmio.ko.xz`.
fn name_of_file(file: &str) -> Option<String> {
    let (stem, rest) = file.split_once(".ko")?;
    matches!(rest, "" | ".xz" | ".gz" | ".zst").then(|| normal_name(stem))
}

/// The modules that a `modules.builtin` names.
pub(crate) fn builtin_names(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| name_of_file(line.rsplit('/').next()?))
        .collect()
}

/// Whether a directory is one in which a kernel is built.
pub(crate) fn is_build(directory: &Path) -> bool {
    directory.join("include/config").is_dir()
}

/// The modules that a build directory's `modules.order` names: walking a tree with its sources would take seconds.
fn ordered(root: &Path) -> Result<BTreeMap<String, PathBuf>, ModulesError> {
    let path = root.join("modules.order");
    let text = match file::read_text(&path, MAX_ORDER) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(source) => return Err(ModulesError::Io { path, source }),
    };
    let mut files = BTreeMap::new();
    for line in text.lines() {
        // Objects since 6.4, modules before; `kernel/` stands before both in some.
        let line = line.strip_prefix("kernel/").unwrap_or(line);
        let Some(stem) = line.strip_suffix(".o").or_else(|| line.strip_suffix(".ko")) else {
            continue;
        };
        let inside = Path::new(stem)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if let (true, Some(name)) = (inside, stem.rsplit('/').next()) {
            files.insert(normal_name(name), root.join(format!("{stem}.ko")));
        }
    }
    Ok(files)
}

impl ModuleTree {
    /// Lists the modules under a directory, usually `lib/modules/<release>`, or those that the `modules.order` of a
    /// build directory names. With the `release` of a kernel, modules that were built for another one are refused when
    /// they are read.
    ///
    /// # Errors
    ///
    /// [`ModulesError::Io`] if the directory, its `modules.order` or its `modules.builtin` cannot be read. That there
    /// is no such file is no error.
    pub fn open(root: &Path, release: Option<&str>) -> Result<Self, ModulesError> {
        let mut files = BTreeMap::new();
        if is_build(root) {
            files = ordered(root)?;
        } else {
            walk(root, MAX_DEPTH, &mut files)?;
        }
        let path = root.join("modules.builtin");
        let builtin = match file::read_text(&path, MAX_BUILTIN) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(ModulesError::Io { path, source }),
        };
        Ok(Self {
            root: root.to_owned(),
            release: release.map(str::to_owned),
            files,
            builtin: builtin_names(&builtin),
        })
    }

    /// Takes these modules for built in as well, whatever `modules.builtin` says.
    #[must_use]
    pub fn with_builtin(mut self, names: &BTreeSet<String>) -> Self {
        self.builtin.extend(names.iter().map(|name| normal_name(name)));
        self
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether there is a file of the module, or should be.
    pub fn has(&self, name: &str) -> bool {
        self.files.contains_key(&normal_name(name))
    }

    /// Whether the kernel itself contains the module.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&normal_name(name))
    }

    /// The modules to load for `names`, with everything they depend on, each once and after what it needs. Modules
    /// that are built in are left out.
    ///
    /// # Errors
    ///
    /// A module that does not exist or is not one, and modules that depend on each other.
    pub fn closure<S: AsRef<str>>(&self, names: &[S]) -> Result<Vec<Module>, ModulesError> {
        let mut closure = Closure {
            tree: self,
            order: Vec::new(),
            done: BTreeSet::new(),
        };
        for name in names {
            closure.add(&normal_name(name.as_ref()), None, &mut Vec::new())?;
        }
        Ok(closure.order)
    }

    /// Looks at one module that can be read, whether it belongs to the kernel.
    ///
    /// # Errors
    ///
    /// [`ModulesError::Foreign`].
    pub fn check_one(&self) -> Result<(), ModulesError> {
        for name in self.files.keys().take(TRIED) {
            match self.read(name, None) {
                Err(foreign @ ModulesError::Foreign { .. }) => return Err(foreign),
                Ok(_) => break,
                // It is told when it is wanted.
                Err(_) => {}
            }
        }
        Ok(())
    }

    fn read(&self, name: &str, by: Option<&str>) -> Result<Module, ModulesError> {
        let Some(path) = self.files.get(name) else {
            let (name, by) = (name.to_owned(), by.map(str::to_owned));
            return Err(ModulesError::Unknown {
                name,
                tree: self.root.clone(),
                by,
            });
        };
        let contents = match decompress(path) {
            Err(ModulesError::Io { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                let problem = "listed in modules.order, and not there: build the modules (make modules)";
                let problem = problem.to_owned();
                return Err(ModulesError::Malformed { path, problem });
            }
            contents => contents?,
        };
        let malformed = |problem: String| ModulesError::Malformed {
            path: path.clone(),
            problem,
        };
        let elf = object::File::parse(contents.as_slice())
            .map_err(|e| malformed(format!("not a kernel module: {e}")))?;
        let section = elf
            .section_by_name(".modinfo")
            .ok_or_else(|| malformed("not a kernel module: no .modinfo section".to_owned()))?;
        let modinfo = section.data().map_err(|e| malformed(e.to_string()))?;
        let (mut depends, mut wants, mut release) = (Vec::new(), Vec::new(), None);
        for entry in modinfo
            .split(|b| *b == 0)
            .filter_map(|entry| std::str::from_utf8(entry).ok())
        {
            if let Some(names) = entry.strip_prefix("depends=") {
                depends.extend(names.split(',').filter(|n| !n.is_empty()).map(normal_name));
            } else if let Some(soft) = entry.strip_prefix("softdep=") {
                wants.extend(soft_dependencies(soft));
            } else if let Some(magic) = entry.strip_prefix("vermagic=") {
                release = magic.split_whitespace().next().map(str::to_owned);
            }
        }
        if let (Some(found), Some(kernel)) = (&release, &self.release)
            && found != kernel
        {
            let (path, found, kernel) = (path.clone(), found.clone(), kernel.clone());
            return Err(ModulesError::Foreign { path, found, kernel });
        }
        Ok(Module {
            name: name.to_owned(),
            contents,
            release,
            depends,
            wants,
        })
    }

    /// The module behind a soft dependency. An algorithm of the kernel's crypto API has an alias, which only an
    /// installed system has a list of; its portable module is named after it.
    fn wanted(&self, name: &str) -> Option<String> {
        let algorithm = name.strip_prefix("crypto_").unwrap_or(name);
        let names = [
            name.to_owned(),
            algorithm.to_owned(),
            format!("{algorithm}_generic"),
        ];
        names.into_iter().find(|name| self.files.contains_key(name))
    }
}

/// Names after `pre:` of `softdep=`.
fn soft_dependencies(text: &str) -> impl Iterator<Item = String> {
    let before = text.split("post:").next().unwrap_or_default();
    let names = before.strip_prefix("pre:").unwrap_or_default();
    names.split_whitespace().map(normal_name)
}

struct Closure<'a> {
    tree: &'a ModuleTree,
    order: Vec<Module>,
    done: BTreeSet<String>,
}

impl Closure<'_> {
    fn add(&mut self, name: &str, by: Option<&str>, path: &mut Vec<String>) -> Result<(), ModulesError> {
        if path.iter().any(|n| n == name) {
            return Err(ModulesError::Cycle(name.to_owned()));
        }
        if self.done.contains(name) || self.tree.is_builtin(name) {
            return Ok(());
        }
        let module = self.tree.read(name, by)?;
        path.push(name.to_owned());
        for wanted in module.wants.iter().filter_map(|name| self.tree.wanted(name)) {
            let depth = path.len();
            // The kernel works without it, though perhaps less well.
            if self.add(&wanted, Some(name), path).is_err() {
                path.truncate(depth);
            }
        }
        for needed in &module.depends {
            self.add(needed, Some(name), path)?;
        }
        path.pop();
        self.done.insert(name.to_owned());
        self.order.push(module);
        Ok(())
    }
}

fn walk(dir: &Path, depth: usize, files: &mut BTreeMap<String, PathBuf>) -> Result<(), ModulesError> {
    let error = |source| ModulesError::Io {
        path: dir.to_owned(),
        source,
    };
    let mut entries = fs::read_dir(dir)
        .map_err(error)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(error)?;
    // A fixed order, so that of two modules with one name the same one is always taken.
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() && depth > 0 {
            walk(&entry.path(), depth - 1, files)?;
        } else if kind.is_file()
            && let Some(name) = entry.file_name().to_str().and_then(name_of_file)
        {
            files.entry(name).or_insert_with(|| entry.path());
        }
    }
    Ok(())
}

fn decompress(path: &Path) -> Result<Vec<u8>, ModulesError> {
    let error = |source| ModulesError::Io {
        path: path.to_owned(),
        source,
    };
    let packed = io::BufReader::new(file::open(path).map_err(error)?);
    let compression = path.extension().and_then(|e| Compression::of_suffix(e.to_str()?));
    let reader: Box<dyn Read> = match compression {
        Some(compression) => compression.reader(packed).map_err(error)?,
        None => Box::new(packed),
    };
    file::read_stream(reader, MAX_MODULE).map_err(error)
}
