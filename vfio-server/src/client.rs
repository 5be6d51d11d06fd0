// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The vfio-user side: sockets, clients, and their messages.
//!
//! | module | is |
//! | --- | --- |
//! | [`server`], `clients` | sockets, threads, one client at a time for each SMMU |
//! | [`device`] | one SMMU of a running server, for the control socket |
//! | [`gate`] | one client: receives, checks, answers |
//! | [`stream`], [`wire`], [`request`] | messages from bytes, their layout, their checks |
//! | [`version`] | the version and the capabilities that both sides state |
//! | [`link`] | the `vfio_user` crate behind the gate |
//! | [`socket`] | making and removing public sockets |

mod clients;
pub mod device;
pub mod gate;
pub mod link;
pub mod request;
pub mod server;
pub mod socket;
pub mod stream;
pub mod version;
pub mod wire;
