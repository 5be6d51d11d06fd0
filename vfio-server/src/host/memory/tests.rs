// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use rustix::fs::{MemfdFlags, memfd_create};

use smmu_emu::BusError;

use super::*;

const PAGE: u64 = 4096;

/// A memfd of so many pages; byte i of page p is p.
fn memfd(pages: u64) -> OwnedFd {
    let fd = memfd_create("guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    for page in 0..pages {
        let byte = u8::try_from(page).unwrap();
        assert_eq!(rustix::io::pwrite(&fd, &[byte; 4096], page * PAGE).unwrap(), 4096);
    }
    fd
}

#[test]
fn reads_what_the_file_holds_at_the_offset() {
    let mut memory = GuestMemory::default();
    let file = memfd(4);
    memory
        .map(
            0x4000_0000,
            2 * PAGE,
            2 * PAGE,
            true,
            Some(file.try_clone().unwrap()),
        )
        .unwrap();
    let mut data = [0; 4];
    memory.ranges().read(0x4000_0000 + PAGE - 2, &mut data).unwrap();
    assert_eq!(data, [2, 2, 3, 3]);
    rustix::io::pwrite(&file, &0x1122_3344_5566_7788_u64.to_le_bytes(), 3 * PAGE).unwrap();
    let mut word = [0; 8];
    memory.ranges().read(0x4000_0000 + PAGE, &mut word).unwrap();
    assert_eq!(
        u64::from_le_bytes(word),
        0x1122_3344_5566_7788,
        "the guest's writes are seen"
    );
    let mut half = [0; 4];
    memory.ranges().read(0x4000_0000 + PAGE + 4, &mut half).unwrap();
    assert_eq!(u32::from_le_bytes(half), 0x1122_3344);
}

#[test]
fn what_is_not_mapped_is_a_bus_error() {
    let mut memory = GuestMemory::default();
    let mut data = [0; 8];
    assert_eq!(memory.ranges().read(0, &mut data), Err(BusError));
    memory.map(PAGE, PAGE, 0, true, Some(memfd(1))).unwrap();
    assert_eq!(memory.ranges().read(0, &mut data), Err(BusError));
    assert_eq!(
        memory.ranges().read(2 * PAGE - 4, &mut data),
        Err(BusError),
        "half of it"
    );
    assert_eq!(memory.ranges().read(2 * PAGE, &mut data), Err(BusError));
    assert_eq!(memory.ranges().read(u64::MAX - 7, &mut data), Err(BusError));
    assert_eq!(memory.ranges().read(u64::MAX - 2, &mut data[..5]), Err(BusError));
    assert_eq!(memory.ranges().read(2 * PAGE - 8, &mut data), Ok(()));
}

#[test]
fn reads_cross_adjacent_ranges() {
    let mut memory = GuestMemory::default();
    memory.map(PAGE, PAGE, PAGE, true, Some(memfd(2))).unwrap();
    memory.map(0, PAGE, 0, true, Some(memfd(1))).unwrap();
    let mut data = [9; 4];
    memory.ranges().read(PAGE - 2, &mut data).unwrap();
    assert_eq!(data, [0, 0, 1, 1]);
}

#[test]
fn overlaps_are_refused_with_eexist() {
    let mut memory = GuestMemory::default();
    memory.map(4 * PAGE, 4 * PAGE, 0, true, Some(memfd(4))).unwrap();
    for (address, pages) in [(4, 4), (3, 2), (7, 2), (5, 1), (0, 10), (7, 1)] {
        let error = memory
            .map(address * PAGE, pages * PAGE, 0, true, Some(memfd(10)))
            .unwrap_err();
        assert_eq!(error.errno(), Errno::EXIST, "{address}+{pages}");
    }
    memory.map(8 * PAGE, PAGE, 0, true, Some(memfd(1))).unwrap();
    memory.map(3 * PAGE, PAGE, 0, true, Some(memfd(1))).unwrap();
    assert_eq!(memory.maps(), 3);
}

#[test]
fn a_file_too_short_is_refused_before_it_can_hurt() {
    let mut memory = GuestMemory::default();
    for (size, offset) in [
        (3 * PAGE, 0),
        (2 * PAGE, PAGE),
        (PAGE, 2 * PAGE),
        (PAGE, u64::MAX - 4095),
        (1 << 62, 0),
    ] {
        let error = memory.map(0, size, offset, true, Some(memfd(2))).unwrap_err();
        assert!(
            matches!(error, MapError::BeyondFile { file: 0x2000, .. }),
            "{error}"
        );
        assert_eq!(error.errno(), Errno::INVAL);
    }
    assert_eq!(memory.maps(), 0);
}

#[test]
fn a_file_cannot_be_cut_short_afterwards() {
    let mut memory = GuestMemory::default();
    let file = memfd(2);
    memory
        .map(0, 2 * PAGE, 0, true, Some(file.try_clone().unwrap()))
        .unwrap();
    assert_eq!(rustix::fs::ftruncate(&file, 0), Err(Errno::PERM));
    let mut data = [0; 8];
    memory.ranges().read(PAGE, &mut data).unwrap();
    assert_eq!(data, [1; 8]);
}

#[test]
fn files_that_can_shrink_and_take_no_seal_are_refused() {
    let mut memory = GuestMemory::default();
    let unsealable = memfd_create("guest", MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&unsealable, PAGE).unwrap();
    let regular = tempfile::tempfile().unwrap();
    regular.set_len(PAGE).unwrap();
    for file in [
        unsealable,
        OwnedFd::from(regular),
        rustix::pipe::pipe().unwrap().0,
    ] {
        let error = memory.map(0, PAGE, 0, true, Some(file)).unwrap_err();
        assert_eq!(error.errno(), Errno::ACCESS);
        assert!(error.to_string().contains("memory-backend-memfd"), "{error}");
    }
}

#[test]
fn huge_pages_are_refused() {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | MemfdFlags::HUGETLB;
    let Ok(file) = memfd_create("guest", flags) else {
        eprintln!("a kernel without huge pages: nothing to refuse");
        return;
    };
    rustix::fs::ftruncate(&file, 1 << 30).unwrap();
    // Sealed, and read to no end if the pool is empty, as it is by default.
    let error = GuestMemory::default()
        .map(0, 1 << 30, 0, true, Some(file))
        .unwrap_err();
    assert!(matches!(error, MapError::NotOrdinary(0, 0x4000_0000)), "{error}");
    assert_eq!(error.errno(), Errno::ACCESS);
    assert!(error.to_string().contains("without hugetlb=on"), "{error}");
}

#[test]
fn without_a_file_the_message_names_the_option() {
    let error = GuestMemory::default()
        .map(0x4000_0000, PAGE, 0, true, None)
        .unwrap_err();
    assert_eq!(error.errno(), Errno::INVAL);
    insta::assert_snapshot!(error, @"guest memory 0x40000000+0x1000 comes without a file descriptor: start \
                                     QEMU with `-object memory-backend-memfd,id=ram,size=…,share=on -machine \
                                     memory-backend=ram`");
}

#[test]
fn empty_and_overflowing_ranges_are_refused() {
    let mut memory = GuestMemory::default();
    for (address, size) in [
        (0, 0),
        (u64::MAX, 2),
        (PAGE, u64::MAX),
        (u64::MAX - PAGE + 2, PAGE),
    ] {
        let error = memory.map(address, size, 0, true, Some(memfd(1))).unwrap_err();
        assert!(
            matches!(error, MapError::Range(..)),
            "{address:#x}+{size:#x}: {error}"
        );
    }
    // vm-memory wants pages of the file, not of the guest.
    assert!(memory.map(0, PAGE, 12, true, Some(memfd(2))).is_err());
    memory
        .map(u64::MAX - 2 * PAGE + 1, PAGE, 0, true, Some(memfd(1)))
        .unwrap();
}

#[test]
fn unmap_takes_whole_ranges() {
    let mut memory = GuestMemory::default();
    for page in [0, 1, 2, 8] {
        memory.map(page * PAGE, PAGE, 0, true, Some(memfd(1))).unwrap();
    }
    memory.map(16 * PAGE, 4 * PAGE, 0, true, Some(memfd(4))).unwrap();
    assert_eq!(memory.unmap(4 * PAGE, PAGE), Err(Errno::NOENT));
    assert_eq!(memory.unmap(0, 0), Err(Errno::INVAL));
    assert_eq!(
        memory.unmap(0, 17 * PAGE),
        Err(Errno::INVAL),
        "it would cut a range in two"
    );
    assert_eq!(memory.unmap(17 * PAGE, PAGE), Err(Errno::INVAL));
    assert_eq!(memory.unmap(PAGE, u64::MAX), Err(Errno::INVAL));
    assert_eq!(memory.maps(), 5);
    memory.unmap(PAGE, 2 * PAGE).unwrap();
    assert_eq!(memory.maps(), 3);
    assert_eq!(memory.ranges().read(PAGE, &mut [0; 8]), Err(BusError));
    memory.unmap_all();
    assert_eq!(memory.maps(), 0);
}

#[test]
fn the_number_of_ranges_is_bounded() {
    let mut memory = GuestMemory::default();
    let file = memfd(1);
    for i in 0..MAX_MAPS as u64 {
        memory
            .map(2 * i * PAGE, PAGE, 0, true, Some(file.try_clone().unwrap()))
            .unwrap();
    }
    let error = memory.map(1 << 40, PAGE, 0, true, Some(file)).unwrap_err();
    assert_eq!(error.errno(), Errno::NOSPC);
}

#[test]
fn a_file_without_write_permission_can_be_mapped_for_reading() {
    let file = memfd(1);
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    // A seal needs a writable descriptor, so the client has to set it.
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK).unwrap();
    let read_only = || OwnedFd::from(File::open(&path).unwrap());
    let mut memory = GuestMemory::default();
    assert_eq!(
        memory
            .map(0, PAGE, 0, true, Some(read_only()))
            .unwrap_err()
            .errno(),
        Errno::NOMEM
    );
    memory.map(0, PAGE, 0, false, Some(read_only())).unwrap();
    memory.ranges().read(0, &mut [0; 8]).unwrap();
}

#[test]
fn memory_of_zeros_is_not_the_guests() {
    const SIZE: u64 = 1 << 30;
    const WRITTEN: u64 = 0x1000_0000;
    let mut memory = GuestMemory::default();
    assert!(!memory.is_blank(), "there is none");
    let file = memfd(1);
    rustix::fs::ftruncate(&file, SIZE).unwrap();
    let ours = file.try_clone().unwrap();
    memory.map(0, SIZE, 0, true, Some(file)).unwrap();
    // Leaves a page in the file.
    memory.ranges().read(100 * PAGE, &mut [0; 8]).unwrap();
    assert!(memory.is_blank());
    rustix::io::pwrite(&ours, &[1], WRITTEN + 5).unwrap();
    assert!(!memory.is_blank());
    // What is not mapped does not count.
    memory.unmap_all();
    memory
        .map(0, WRITTEN, 0, true, Some(ours.try_clone().unwrap()))
        .unwrap();
    assert!(memory.is_blank());
    memory.map(WRITTEN, PAGE, WRITTEN, false, Some(ours)).unwrap();
    assert!(!memory.is_blank());
    memory.unmap_all();
    memory.map(0, PAGE, 0, true, Some(memfd(1))).unwrap();
    assert!(!memory.is_blank(), "no machine's");
}

/// The kernel's VFIO maps it too. No access of an SMMU gets there.
#[test]
fn the_last_page_of_the_address_space_can_be_mapped() {
    let mut memory = GuestMemory::default();
    let last = u64::MAX - (PAGE - 1);
    memory.map(last, PAGE, 0, true, Some(memfd(1))).unwrap();
    assert_eq!((memory.maps(), memory.is_blank()), (1, false));
    let overlap = memory
        .map(last - PAGE, 2 * PAGE, 0, true, Some(memfd(2)))
        .unwrap_err();
    assert_eq!(overlap.errno(), Errno::EXIST);
    assert_eq!(memory.ranges().read(last, &mut [0; 8]), Err(BusError));
    let beyond = memory.map(last, PAGE + 1, 0, true, Some(memfd(2))).unwrap_err();
    assert_eq!(beyond.errno(), Errno::INVAL);
    assert_eq!(memory.unmap(last + 1, PAGE - 1), Err(Errno::INVAL));
    assert_eq!(memory.unmap(last, PAGE), Ok(()));
    assert_eq!(memory.unmap(last, PAGE), Err(Errno::NOENT));
    assert_eq!(memory.maps(), 0);
}

/// An access that bypasses the SMMU drops the 49th bit of its bus address.
#[test]
fn memory_begins_below_the_highest_output_address() {
    let mut memory = GuestMemory::default();
    let end = 1 << 48;
    memory.map(end - PAGE, PAGE, 0, true, Some(memfd(1))).unwrap();
    memory.map(end, PAGE, 0, true, Some(memfd(2))).unwrap();
    assert_eq!(memory.maps(), 2);
    assert_eq!(memory.ranges().read(end - PAGE, &mut [0; 8]), Ok(()));
    assert_eq!(memory.ranges().read(end, &mut [0; 8]), Err(BusError));
    assert_eq!(memory.unmap(end, PAGE), Ok(()));
}
