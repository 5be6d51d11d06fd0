// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The SMMUv2 model as vfio-user PCI functions: the process that runs beside QEMU.
