// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Recipes, files and programs of the host that mean harm: what a run does with them, without a guest.

mod bisect;
mod compare;
mod files;
mod nights;
mod recipes;
mod replay;
mod shrink;
mod signals;
mod stress;
mod support;
mod terminal;
mod traces;
