//! Programs of a plan: started, waited for, and asked what killed them.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use super::Linux;
use crate::kernel::process::Session;
use crate::kernel::{Refusal, process, responder};
use crate::plan::{At, Done, Op, Plan, Process};
use crate::topology::{Program, Service};

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
        std::fs::create_dir_all(&self.logs)?;
        let log = File::create(self.logs.join(format!("{node}.{name}.log")))?;
        command.stdin(input).stdout(log.try_clone()?).stderr(log);
        command.env(process::MARK, plan.mark()).env("NETLAB_NODE", &node);
        command.envs(&service.env);
        if let Some(user) = &service.user {
            become_user(&mut command, user)?;
        }
        let file = self.namespace(&at.netns)?.map(File::try_clone).transpose()?;
        let place = at.netns.as_deref().zip(file.as_ref());
        process::enter(&mut command, place, Session::Own)?;
        let child = command.spawn().map_err(|e| Refusal::from(e).about(service_program(service)))?;
        let pid = child.id() as i32;
        self.children.push(child);
        let process = Process { pid, started: process::started(pid).unwrap_or(0) };
        self.services.insert((node, name.to_string()), process);
        Ok(Done::Started(process))
    }

    /// Waits until every program of the plan that is to be ready is; a program that has died says why.
    pub fn settle(&mut self, plan: &Plan) -> Result<(), (usize, Refusal)> {
        for (i, step) in plan.steps.iter().enumerate() {
            let Op::StartService { at, name, service } = &step.op else {
                continue;
            };
            self.wait_ready(at, name, service).map_err(|refusal| (i, refusal))?;
        }
        Ok(())
    }

    pub(super) fn wait_ready(&mut self, at: &At, name: &str, service: &Service) -> Result<(), Refusal> {
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
            let ready = match service.ready_tcp {
                Some(port) => self.within(&at.netns, move || accepts(port))?,
                None => begun.elapsed() >= moment,
            };
            if ready {
                return Ok(());
            }
            if begun.elapsed() > service.ready_within {
                let port = service.ready_tcp.unwrap_or(0);
                let waited = service.ready_within.as_secs_f32();
                return Err(Refusal::new(format!("port {port} does not accept connections after {waited} s")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn reap(&mut self) {
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
    }

    /// What a program that died had to say.
    pub fn last_words(&self, at: &At, name: &str) -> String {
        let log = std::fs::read_to_string(self.logs.join(format!("{}.{name}.log", at.node))).unwrap_or_default();
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

fn service_program(service: &Service) -> String {
    match &service.program {
        Program::Responder { .. } => "netlab responder".into(),
        Program::Run(argv) => argv[0].clone(),
    }
}

fn become_user(command: &mut std::process::Command, user: &str) -> Result<(), Refusal> {
    use std::os::unix::process::CommandExt;
    let found = nix::unistd::User::from_name(user)?;
    let found = found.ok_or_else(|| Refusal::new(format!("there is no user `{user}` on this machine")))?;
    command.uid(found.uid.as_raw()).gid(found.gid.as_raw());
    Ok(())
}
