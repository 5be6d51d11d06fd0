// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Modules of a crate and the names that they take from each other, read from the sources. Test code is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// Re-exports of re-exports that a name may lie behind.
const DEPTH: usize = 16;

/// Path of a module or of a name below the root of its crate.
type ModulePath = Vec<String>;

/// A `use` declaration: the name that it brings in, and where from.
#[derive(Debug, Clone)]
struct Import {
    name: String,
    from: ModulePath,
    glob: bool,
    /// Visible outside of its module: a name that passes through, not a dependency of the module.
    public: bool,
}

#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    names: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths in types, expressions and macros.
    paths: Vec<ModulePath>,
}

/// A name that one file takes from another; files are relative to `src`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// File that uses the name.
    pub by: PathBuf,
    /// File that defines the name.
    pub from: PathBuf,
    /// Path of the name as it was written, from the root of the crate.
    pub name: String,
}

/// One crate's modules.
#[derive(Debug)]
pub struct Sources {
    modules: HashMap<ModulePath, Module>,
    /// Files with an `impl` block, each with the type's name.
    pub implementations: Vec<(String, PathBuf)>,
}

impl Sources {
    /// Modules below `src` that `lib.rs` declares, without those under `cfg(test)`.
    pub fn read(src: &Path) -> Self {
        let mut sources = Self {
            modules: HashMap::new(),
            implementations: Vec::new(),
        };
        sources.read_file(src, Path::new("lib.rs"), Vec::new());
        sources
    }

    fn read_file(&mut self, src: &Path, file: &Path, path: ModulePath) {
        let text =
            fs::read_to_string(src.join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.read_module(src, file, path, &parsed.items);
    }

    fn read_module(&mut self, src: &Path, file: &Path, path: ModulePath, items: &[Item]) {
        let mut module = Module {
            file: file.to_path_buf(),
            ..Module::default()
        };
        let mut children = Vec::new();
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    module.names.insert(name.clone());
                    let mut below = path.clone();
                    below.push(name);
                    children.push((below, child));
                    continue;
                }
                Item::Use(import) => module.import(import),
                Item::Impl(block) => {
                    if let syn::Type::Path(of) = &*block.self_ty
                        && let Some(last) = of.path.segments.last()
                    {
                        self.implementations
                            .push((last.ident.to_string(), file.to_path_buf()));
                    }
                }
                _ => module.names.extend(name_of(item)),
            }
            Paths(&mut module.paths).visit_item(item);
        }
        self.modules.insert(path, module);
        for (below, child) in children {
            if let Some((_, items)) = &child.content {
                self.read_module(src, file, below, items);
            } else {
                let flat = PathBuf::from_iter(&below).with_extension("rs");
                let folder = PathBuf::from_iter(&below).join("mod.rs");
                let file = if src.join(&flat).exists() { flat } else { folder };
                self.read_file(src, &file, below);
            }
        }
    }

    /// Every name that a file takes from another file of the crate.
    pub fn taken(&self) -> BTreeSet<Taken> {
        let mut taken = BTreeSet::new();
        for (path, module) in &self.modules {
            let imported = module.imports.iter().filter(|import| !import.public);
            let imported = imported.map(|import| &import.from);
            for name in imported.chain(&module.paths) {
                let Some(absolute) = self.absolute(path, name) else {
                    continue;
                };
                let Some(from) = self.defining_file(&absolute, DEPTH) else {
                    continue;
                };
                if from != module.file {
                    taken.insert(Taken {
                        by: module.file.clone(),
                        from,
                        name: absolute.join("::"),
                    });
                }
            }
        }
        taken
    }

    /// A path from the root, if it leads into the crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<ModulePath> {
        let first = path.first()?;
        match first.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([module, &path[1..]].concat()),
            "super" => {
                let ups = path.iter().take_while(|segment| *segment == "super").count();
                let parent = module.get(..module.len().checked_sub(ups)?)?;
                Some([parent, &path[ups..]].concat())
            }
            _ => {
                let child = [module, std::slice::from_ref(first)].concat();
                self.modules.contains_key(&child).then(|| [module, path].concat())
            }
        }
    }

    /// File in which the item is defined that a path leads to, through re-exports.
    fn defining_file(&self, path: &[String], depth: usize) -> Option<PathBuf> {
        let depth = depth.checked_sub(1)?;
        let length = (0..=path.len())
            .rev()
            .find(|length| self.modules.contains_key(&path[..*length]))?;
        let (at, rest) = path.split_at(length);
        let module = &self.modules[at];
        let Some(name) = rest.first() else {
            return Some(module.file.clone());
        };
        if module.names.contains(name) {
            return Some(module.file.clone());
        }
        let follow = |import: &Import, rest: &[String]| {
            let absolute = self.absolute(at, &import.from)?;
            self.defining_file(&[&absolute, rest].concat(), depth)
        };
        let named = module
            .imports
            .iter()
            .find(|import| !import.glob && import.name == *name);
        if let Some(import) = named {
            return follow(import, &rest[1..]);
        }
        let globs = module.imports.iter().filter(|import| import.glob);
        globs.filter_map(|import| follow(import, rest)).next()
    }

    /// Modules directly below the root.
    pub fn top_level(&self) -> BTreeSet<&str> {
        let paths = self.modules.keys().filter(|path| path.len() == 1);
        paths.map(|path| path[0].as_str()).collect()
    }
}

impl Module {
    fn import(&mut self, item: &ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        self.import_tree(&item.tree, &[], public);
    }

    fn import_tree(&mut self, tree: &UseTree, before: &[String], public: bool) {
        let mut push = |name: String, from: ModulePath, glob| {
            self.imports.push(Import {
                name,
                from,
                glob,
                public,
            });
        };
        match tree {
            UseTree::Path(path) => {
                let before = [before, &[path.ident.to_string()]].concat();
                self.import_tree(&path.tree, &before, public);
            }
            UseTree::Name(name) if name.ident == "self" => {
                push(before.last().cloned().unwrap_or_default(), before.to_vec(), false);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                push(name.clone(), [before, &[name]].concat(), false);
            }
            UseTree::Rename(rename) => {
                let from = [before, &[rename.ident.to_string()]].concat();
                push(rename.rename.to_string(), from, false);
            }
            UseTree::Glob(_) => push(String::new(), before.to_vec(), true),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import_tree(tree, before, public);
                }
            }
        }
    }
}

/// Collects paths of two segments and more, and those in the tokens of macros.
struct Paths<'a>(&'a mut Vec<ModulePath>);

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, _: &'ast ItemUse) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter();
            self.0
                .push(segments.map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    // Restricted visibilities name ancestors and take nothing from them.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        visit::visit_macro(self, invocation);
        self.tokens(invocation.tokens.to_token_stream());
    }
}

impl Paths<'_> {
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => colons += 1,
                TokenTree::Group(group) => {
                    self.end(&mut path);
                    self.tokens(group.stream());
                }
                _ => self.end(&mut path),
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut ModulePath) {
        if path.len() > 1 {
            self.0.push(std::mem::take(path));
        }
        path.clear();
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let meta = attribute.meta.to_token_stream().to_string();
        attribute.path().is_ident("cfg") && (meta == "cfg (test)" || meta.starts_with("cfg (all (test ,"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Groups of files that import each other in a circle, each with the names taken within it.
pub fn cycles(taken: &BTreeSet<Taken>) -> Vec<(Vec<PathBuf>, Vec<Taken>)> {
    let mut graph = petgraph::graph::DiGraph::<&Path, ()>::new();
    let mut nodes = BTreeMap::new();
    for Taken { by, from, .. } in taken {
        let [by, from] = [by, from].map(|file| *nodes.entry(file).or_insert_with(|| graph.add_node(file)));
        graph.update_edge(by, from, ());
    }
    let components = petgraph::algo::tarjan_scc(&graph).into_iter();
    let circles = components.filter(|component| component.len() > 1);
    circles
        .map(|component| {
            let files: BTreeSet<&Path> = component.into_iter().map(|node| graph[node]).collect();
            let within = |name: &&Taken| files.contains(&*name.by) && files.contains(&*name.from);
            let names = taken.iter().filter(within).cloned().collect();
            (files.into_iter().map(Path::to_path_buf).collect(), names)
        })
        .collect()
}
