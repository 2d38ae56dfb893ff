//! Programs of a plan: started, waited for, and asked what killed them.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::time::Instant;

use super::Linux;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::kernel::process::{Session, User};
use crate::kernel::{Refusal, patience, process, program, responder};
use crate::plan::{At, Done, Op, Plan, Process, stopped};
use crate::topology::{Program, Ready, Reload, Service};

impl Linux {
    pub(super) fn start(&mut self, plan: &Plan, at: &At, name: &str, service: &Service) -> Result<Done, Refusal> {
        let node = at.node.to_string();
        let (mut command, input) = match &service.program {
            Program::Responder { proto, listen, port } => {
                let socket = SocketAddr::new(*listen, *port);
                let proto = *proto;
                let open = self.within(&at.netns, move || responder::open(proto, socket))?;
                let open = open.map_err(|e| Refusal::from(e).about(format!("cannot listen on {socket}")))?;
                let mut command = process::clean("/proc/self/exe");
                // What `ps` shows.
                std::os::unix::process::CommandExt::arg0(&mut command, "netlab");
                command.args(["responder", proto.word(), &socket.to_string(), &node]);
                (command, Stdio::from(open))
            }
            Program::Run(argv) => {
                let mut command = process::clean(&argv[0]);
                command.args(&argv[1..]);
                (command, Stdio::null())
            }
        };
        self.test(plan, at, service)?;
        std::fs::create_dir_all(&self.logs)?;
        let log = File::create(self.log(at, name))?;
        command.stdin(input).stdout(log.try_clone()?).stderr(log);
        self.dress(&mut command, plan, at, service, Session::Own)?;
        let child = command.spawn().map_err(|e| Refusal::from(e).about(service_program(service)))?;
        let pid = child.id() as i32;
        self.children.push(child);
        let process = Process { pid, started: process::started(pid).unwrap_or(0) };
        self.services.insert((node, name.to_string()), process);
        Ok(Done::Started(process))
    }

    /// Environment, user and place of a service's commands.
    fn dress(
        &mut self,
        command: &mut Command,
        plan: &Plan,
        at: &At,
        service: &Service,
        session: Session,
    ) -> Result<(), Refusal> {
        command.env(process::MARK, plan.mark()).env("NETLAB_NODE", at.node.as_str());
        command.envs(&service.env);
        let user = service.user.as_deref().map(User::named).transpose()?;
        let file = self.namespace(&at.netns)?.map(File::try_clone).transpose()?;
        let place = at.netns.as_deref().zip(file.as_ref());
        Ok(process::enter(command, place, session, user)?)
    }

    /// Runs one of a service's own commands to its end: what it said, and whether it was happy.
    fn ask(
        &mut self,
        plan: &Plan,
        at: &At,
        service: &Service,
        argv: &[String],
        within: Duration,
    ) -> Result<(bool, String), Refusal> {
        let mut command = process::clean(&argv[0]);
        command.args(&argv[1..]);
        self.dress(&mut command, plan, at, service, Session::Group)?;
        let output = program::run_within(command, "", within)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
        let said = [text(&output.stdout), text(&output.stderr)].into_iter().filter(|t| !t.is_empty());
        Ok((output.status.success(), said.collect::<Vec<_>>().join("\n")))
    }

    /// A program with a mistake in its files is not even started: the test says it in better words than its death.
    fn test(&mut self, plan: &Plan, at: &At, service: &Service) -> Result<(), Refusal> {
        if service.test.is_empty() {
            return Ok(());
        }
        match self.ask(plan, at, service, &service.test, patience::patience())? {
            (true, _) => Ok(()),
            (false, said) => Err(Refusal::new(format!("`{}` finds a mistake:\n{said}", service.test.join(" ")))),
        }
    }

    /// Waits until every program of the plan that is to be ready is; a program that has died says why.
    pub fn settle(&mut self, plan: &Plan) -> Result<(), (usize, Refusal)> {
        for (i, step) in plan.steps.iter().enumerate() {
            let ready = match &step.op {
                Op::StartService { at, name, .. } if stopped(plan, at, name) => continue,
                Op::StartService { at, name, service } => self.wait_ready(plan, at, name, service),
                Op::StartEndpoint { at, dev, .. } => self.wait_endpoint(at, dev),
                _ => continue,
            };
            ready.map_err(|refusal| (i, refusal))?;
        }
        Ok(())
    }

    pub(super) fn wait_ready(&mut self, plan: &Plan, at: &At, name: &str, service: &Service) -> Result<(), Refusal> {
        if matches!(service.program, Program::Responder { .. }) {
            return Ok(());
        }
        let Some(process) = self.services.get(&(at.node.to_string(), name.to_string())).copied() else {
            return Ok(());
        };
        let begun = Instant::now();
        // A program with a mistake in its configuration dies within a few milliseconds.
        let moment = Duration::from_millis(50);
        loop {
            self.reap();
            if !process::alive(process) {
                return Err(Refusal::new(self.last_words(at, name)));
            }
            let ready = match &service.ready {
                Some(Ready::Tcp(port)) => {
                    let port = *port;
                    self.within(&at.netns, move || accepts(port))?
                }
                Some(Ready::Socket(path)) => listens(process.pid, path),
                // One that does not end says no as well, and is asked no more when the time is up.
                Some(Ready::Run(argv)) => {
                    let left = service.ready_within.saturating_sub(begun.elapsed()).max(moment);
                    match self.ask(plan, at, service, argv, left) {
                        Err(refusal) if refusal.errno == libc::ETIMEDOUT => false,
                        answer => answer?.0,
                    }
                }
                None => begun.elapsed() >= moment,
            };
            if ready {
                return Ok(());
            }
            if patience::is_over() {
                return Err(patience::interrupted());
            }
            if begun.elapsed() > service.ready_within {
                let what = match &service.ready {
                    Some(Ready::Tcp(port)) => format!("port {port} does not accept connections"),
                    Some(Ready::Socket(path)) => format!("{path} does not accept connections"),
                    Some(Ready::Run(argv)) => format!("`{}` does not exit with 0", argv.join(" ")),
                    None => "it is not ready".into(),
                };
                return Err(Refusal::new(format!("{what} after {} s", service.ready_within.as_secs_f32())));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Makes a program read its files anew, once they are found to be right.
    pub(super) fn reload(&mut self, plan: &Plan, at: &At, name: &str, service: &Service) -> Result<(), Refusal> {
        let known = self.services.get(&(at.node.to_string(), name.to_string())).copied();
        let Some(process) = known.filter(|p| process::alive(*p)) else {
            return Err(Refusal::new(format!("service `{name}` does not run")));
        };
        self.test(plan, at, service)?;
        match &service.reload {
            Some(Reload::Signal(signal)) => process::signal(process, signal),
            Some(Reload::Run(argv)) => match self.ask(plan, at, service, argv, patience::patience())? {
                (true, _) => Ok(()),
                (false, said) => Err(Refusal::new(format!("`{}` says:\n{said}", argv.join(" ")))),
            },
            None => Ok(()),
        }
    }

    /// Ends a program and what it has started: everything of its session, and one whose start is not on record.
    pub fn end_service(&mut self, at: &At, name: &str) -> Result<(), Refusal> {
        let known = self.services.get(&(at.node.to_string(), name.to_string())).copied();
        let inode = match self.namespace(&at.netns)? {
            Some(file) => file.metadata()?.ino(),
            None => std::fs::metadata("/proc/self/ns/net")?.ino(),
        };
        let log = self.log(at, name);
        let ended = process::end(|| {
            let mut found = known.map_or_else(Vec::new, |process| process::of_session(process, inode));
            found.extend(process::talking_to(&log));
            found
        });
        self.reap();
        ended.map_err(|left| Refusal::new(format!("`{name}` does not end: {left:?}")))
    }

    pub(super) fn reap(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }

    /// Where a program says what it says.
    pub(super) fn log(&self, at: &At, name: &str) -> PathBuf {
        self.logs.join(format!("{}.{name}.log", at.node))
    }

    /// What a program that died had to say.
    pub fn last_words(&self, at: &At, name: &str) -> String {
        let log = std::fs::read_to_string(self.log(at, name)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(5)..].join("\n");
        if last.is_empty() {
            "it has ended, without a word".into()
        } else {
            format!("it has ended; its last words:\n{last}")
        }
    }
}

fn accepts(port: u16) -> bool {
    let local: SocketAddr = ([127, 0, 0, 1], port).into();
    std::net::TcpStream::connect_timeout(&local, Duration::from_millis(200)).is_ok()
}

/// Whether a Unix socket that a process sees at a path accepts connections.
fn listens(pid: i32, path: &str) -> bool {
    // Where nobody accepts, connecting would wait for ever once the queue is full.
    let connect = || -> std::io::Result<()> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(format!("/proc/{pid}/root{path}"))?)
    };
    connect().is_ok()
}

fn service_program(service: &Service) -> String {
    match &service.program {
        Program::Responder { .. } => "netlab responder".into(),
        Program::Run(argv) => argv[0].clone(),
    }
}
