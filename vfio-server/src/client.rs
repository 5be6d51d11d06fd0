// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The vfio-user side: sockets, clients, messages.

mod clients;
pub mod gate;
pub mod link;
pub mod request;
pub mod server;
pub mod socket;
pub mod stream;
pub mod wire;
