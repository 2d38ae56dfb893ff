//! Network namespaces by name, as `ip netns` has them: files below /run/netns on which a namespace is mounted.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::Refusal;
use super::diver::Diver;
use crate::plan::Identity;

/// Where namespaces have their names.
pub const FOLDER: &str = "/run/netns";
pub use crate::plan::ETC;

/// The file of a namespace.
pub fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

/// Whether something stands under the name, a namespace or not.
pub fn exists(name: &str) -> bool {
    path(name).symlink_metadata().is_ok()
}

/// Makes a namespace under a name that is free.
pub fn create(name: &str) -> Result<Identity, Refusal> {
    prepare_folder()?;
    // A thread of its own: it stays in there.
    std::thread::scope(|scope| match scope.spawn(|| become_new(name)).join() {
        Ok(made) => made,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// Makes the folder of names a shared mount of its own, as the first `ip netns add` after boot does.
pub fn prepare_folder() -> Result<(), Refusal> {
    netns_rs::Env::init(&netns_rs::DefaultEnv).map_err(|e| {
        let errno = match &e {
            netns_rs::Error::MountError(_, errno) => *errno as i32,
            netns_rs::Error::CreateNsDirError(e) => e.raw_os_error().unwrap_or(0),
            _ => 0,
        };
        Refusal { errno, ..Refusal::new(e.to_string()) }
    })
}

/// Moves the calling thread into a new namespace under a name that is free, for good. The name comes first, empty: whoever
/// finds it so knows that netlab died in between.
pub fn become_new(name: &str) -> Result<Identity, Refusal> {
    let path = path(name);
    let placeholder = File::options().write(true).create_new(true).open(&path);
    drop(placeholder.map_err(|e| taken(&path, e))?);
    let made = unshare(CloneFlags::CLONE_NEWNET).map_err(refusal).and_then(|()| {
        let here = Path::new("/proc/thread-self/ns/net");
        mount(Some(here), &path, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(Refusal::from)?;
        identity_here()
    });
    if made.is_err() {
        let _ = remove(name);
    }
    made
}

fn taken(path: &Path, error: std::io::Error) -> Refusal {
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Refusal::errno(libc::EEXIST, Some(format!("{} is there already", path.display())))
        }
        _ => Refusal::from(error).about(path.display()),
    }
}

fn refusal(errno: nix::errno::Errno) -> Refusal {
    if errno != nix::errno::Errno::ENOSPC {
        return errno.into();
    }
    let most = std::fs::read_to_string("/proc/sys/user/max_net_namespaces").unwrap_or_default();
    let limit = format!("the limit user.max_net_namespaces ({}) is reached", most.trim());
    Refusal::errno(libc::ENOSPC, Some(limit))
}

/// Opens a namespace by its name; `None` when the name is gone.
pub fn open(name: &str) -> Result<Option<File>, Refusal> {
    match File::open(path(name)) {
        Ok(file) if is_namespace(&file) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Refusal::from(e).about(path(name).display())),
    }
}

/// A name without a namespace mounted on it is an ordinary empty file.
fn is_namespace(file: &File) -> bool {
    nix::sys::statfs::fstatfs(file).is_ok_and(|s| s.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

/// Who a namespace is.
pub fn identity(diver: &Diver, file: &File) -> Result<Identity, Refusal> {
    let inode = file.metadata()?.ino();
    let cookie = diver.within(Some(file), cookie)?;
    Ok(Identity { inode, cookie })
}

/// Who the namespace of the calling thread is.
pub fn identity_here() -> Result<Identity, Refusal> {
    Ok(Identity { inode: Path::new("/proc/thread-self/ns/net").metadata()?.ino(), cookie: cookie() })
}

/// SO_NETNS_COOKIE of the calling thread's namespace; 0 before Linux 5.14.
fn cookie() -> u64 {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let Ok(socket) = std::net::UdpSocket::bind("127.0.0.1:0").or_else(|_| unbound()) else {
        return 0;
    };
    let mut value: u64 = 0;
    let mut length = size_of::<u64>() as libc::socklen_t;
    // SAFETY: `value` is 8 bytes long and `length` says so; the descriptor is open for the length of the call.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            std::ptr::from_mut(&mut value).cast(),
            &mut length,
        )
    };
    if code == 0 { value } else { 0 }
}

/// `lo` is down in a new namespace, and 127.0.0.1 cannot be bound; any socket will do.
fn unbound() -> std::io::Result<std::net::UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    Ok(socket.into())
}

/// Takes the name away. The namespace itself lives on while a process or an open file holds it.
pub fn remove(name: &str) -> Result<(), Refusal> {
    let path = path(name);
    // Somebody may have mounted it twice; a plain file is not mounted at all.
    while umount2(&path, MntFlags::MNT_DETACH).is_ok() {}
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Refusal::from(e).about(path.display())),
    }
}

/// The names of all namespaces.
pub fn names() -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(FOLDER) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Whether the folder is a mount of its own, which the first `ip netns add` after boot makes it.
pub fn folder_is_mounted() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|l| l.split(' ').nth(4) == Some(FOLDER))
}

/// Takes the folder's own mount away again, and the folder, when nothing is left in it.
pub fn remove_folder(mount: bool, folder: bool) {
    if !names().is_empty() {
        return;
    }
    if mount {
        while folder_is_mounted() {
            if umount2(FOLDER, MntFlags::MNT_DETACH).is_err() {
                break;
            }
        }
    }
    if folder {
        let _ = std::fs::remove_dir(FOLDER);
    }
}
