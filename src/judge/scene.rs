//! A run under guard, patrol by patrol, for the tests of checks.

use super::attendance::Attendance;
use super::{Context, Memory, judge, phase};
use crate::clock::Reading;
use crate::config::{Actions, Channels, Config, Gpu, NanAction, Patrol, ProcessSpec, Run, Setting, Training};
use crate::finding::{Claim, Occurrence, Opinion, Severity, Subject};
use crate::metrics::{Metric, Row};
use crate::observe::checkpoint::{Checkpoint, CheckpointFacts};
use crate::observe::digest::DigestFacts;
use crate::observe::launched::{Ended, Ending, LaunchFacts};
use crate::observe::log::{FileFacts, LogFacts};
use crate::observe::process::{Found, Identity, Life, ProcessFacts, Visible};
use crate::observe::{Look, Observation};
use crate::playbook::Catalogue;
use chrono::{DateTime, TimeDelta, Utc};
use std::ops::Range;
use std::time::Duration;

/// Seconds between rows, by the log's own times.
pub(crate) const ROW_S: i64 = 10;

pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) run: Run,
    pub(crate) look: Look,
    pub(crate) memory: Memory,
    pub(crate) clock: Reading,
    pub(crate) previous: Option<Reading>,
    pub(crate) last_look: bool,
    pub(crate) open: Vec<Subject>,
    pub(crate) attended: Option<Attendance>,
    pub(crate) opinions: Vec<Opinion>,
    attempt: u32,
    log_time: DateTime<Utc>,
}

impl Scene {
    /// Five minutes pass with each patrol; rows that are written are as new as the patrol.
    pub(crate) fn new() -> Self {
        let wall = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Self {
            config: config(),
            run: Run {
                metrics: None,
                name: "demo".to_owned(),
                log: Some("/runs/train.log".into()),
                command: None,
                process: None,
                checkpoints: None,
                total_steps: None,
                done_when: None,
                gpus: Vec::new(),
                profile: None,
                actions: Actions::default(),
                orchestrator: None,
            },
            look: look(wall),
            memory: Memory::default(),
            clock: Reading { wall, monotonic_s: 1000.0, boottime_s: 2000.0, boot_id: "boot".to_owned() },
            previous: None,
            last_look: false,
            open: Vec::new(),
            attended: None,
            opinions: Vec::new(),
            attempt: 1,
            log_time: wall,
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.wall
    }

    /// Time passes on all clocks.
    pub(crate) fn later(&mut self, seconds: i64) -> &mut Self {
        self.clock.wall += TimeDelta::seconds(seconds);
        self.clock.monotonic_s += seconds as f64;
        self.clock.boottime_s += seconds as f64;
        self
    }

    /// The wall clock is set; nothing else passes.
    pub(crate) fn clock_jumps(&mut self, seconds: i64) -> &mut Self {
        self.clock.wall += TimeDelta::seconds(seconds);
        self
    }

    /// The machine sleeps.
    pub(crate) fn sleeps(&mut self, seconds: i64) -> &mut Self {
        self.clock.wall += TimeDelta::seconds(seconds);
        self.clock.boottime_s += seconds as f64;
        self
    }

    /// From now on somebody stays with it, for so many steps.
    pub(crate) fn attend(&mut self, steps: u64) -> &mut Self {
        let watcher = Identity { pid: 4, start_ticks: 4, boot_id: "boot".to_owned() };
        self.attended = Some(Attendance::new(watcher, steps, 1, &self.clock));
        self
    }

    pub(crate) fn unattended(&mut self) -> &mut Self {
        self.attended = None;
        self
    }

    /// The log gets rows with these steps, the last of them now, with a loss that falls.
    pub(crate) fn rows(&mut self, steps: Range<u64>) -> &mut Self {
        self.losses(steps, |step| 1.0 + 10.0 / (1.0 + step as f64))
    }

    pub(crate) fn losses(&mut self, steps: Range<u64>, loss: impl Fn(u64) -> f64) -> &mut Self {
        for step in steps {
            self.row(step, |row| row.values.set(Metric::Loss, loss(step)));
        }
        self
    }

    pub(crate) fn row(&mut self, step: u64, with: impl FnOnce(&mut Row)) -> &mut Self {
        self.log_time += TimeDelta::seconds(ROW_S);
        let digest = &mut self.look.digest;
        let line = digest.numbers.last_line + 1;
        let mut row = Row { line, offset: 100 * line, attempt: self.attempt, ..Row::default() };
        row.time = Some(self.log_time);
        row.global_step = Some(step as f64);
        row.values.set(Metric::Step, step as f64);
        with(&mut row);
        digest.numbers.fold(&row, "head");
        digest.rows += 1;
        digest.completed = None;
        let text = format!("step {step}");
        self.line(line, &text);
        self
    }

    fn line(&mut self, line: u64, text: &str) {
        let file = "/runs/train.log".to_owned();
        let now = self.clock.wall;
        self.look.digest.records += 1;
        self.look.digest.last_lines =
            vec![Occurrence { file, line, offset: 100 * line, step: None, text: text.to_owned() }];
        if let Observation::Known(log) = &mut self.look.log {
            log.bytes_read += 100;
            log.files[0].size += 100;
            log.modified = Some(now);
        }
    }

    /// The log begins another attempt.
    pub(crate) fn restart_in_log(&mut self, steps: Range<u64>) -> &mut Self {
        self.attempt += 1;
        self.rows(steps)
    }

    /// The log says that the run is complete.
    pub(crate) fn completed(&mut self) -> &mut Self {
        self.line(9999, "Training complete");
        self.look.digest.completed = self.look.digest.last_lines.last().cloned();
        self
    }

    /// The log was last written so many seconds ago.
    pub(crate) fn written(&mut self, seconds_ago: i64) -> &mut Self {
        let time = self.clock.wall - TimeDelta::seconds(seconds_ago);
        if let Observation::Known(log) = &mut self.look.log {
            log.modified = Some(time);
        }
        self
    }

    /// The run has a process that is busy: every look finds it a second further.
    pub(crate) fn process(&mut self, pid: i32) -> &mut Self {
        self.process_since(pid, 3600)
    }

    pub(crate) fn process_since(&mut self, pid: i32, age_s: i64) -> &mut Self {
        let life = Life {
            identity: Identity { pid, start_ticks: 77, boot_id: "boot".to_owned() },
            state: 'R',
            started: self.clock.wall - TimeDelta::seconds(age_s),
            command: "python train.py".to_owned(),
            arguments: vec!["python".to_owned(), "train.py".to_owned()],
            cpu_s: 5.0,
            io_bytes: Some(1_000_000),
            resident_bytes: 1,
            processes: 1,
            tree: vec![pid],
            visible: Visible::default(),
        };
        self.found(Found::Process(life))
    }

    pub(crate) fn life(&mut self) -> &mut Life {
        match &mut self.look.process {
            Observation::Known(ProcessFacts { found: Found::Process(life), .. }) => life,
            other => panic!("{other:?}"),
        }
    }

    /// The process works for so many seconds of CPU.
    pub(crate) fn works(&mut self, cpu_s: f64) -> &mut Self {
        self.life().cpu_s += cpu_s;
        self
    }

    pub(crate) fn gone(&mut self, pid: i32) -> &mut Self {
        self.found(Found::Gone { pid: Some(pid), why: format!("no process {pid}") })
    }

    /// It was launched just now; with an end, it is gone.
    pub(crate) fn launched(&mut self, pid: i32, how: Option<Ending>) -> &mut Self {
        let process = Identity { pid, start_ticks: pid as u64, boot_id: "boot".to_owned() };
        let (started, at) = (self.clock.wall, self.clock.wall + TimeDelta::seconds(30));
        let ended = how.map(|how| Ended { at: Some(at), how });
        if ended.is_some() {
            self.gone(pid);
        } else {
            self.process(pid);
        }
        self.later(60);
        let command = "python train.py".to_owned();
        self.look.launched = Some(LaunchFacts { process, command, started, ended });
        self
    }

    pub(crate) fn found(&mut self, found: Found) -> &mut Self {
        self.run.process = Some(ProcessSpec::PidFile("/runs/train.pid".into()));
        self.look.process =
            Observation::Known(ProcessFacts { how: "pid file /runs/train.pid".to_owned(), found });
        self
    }

    /// Checkpoints so many seconds old.
    pub(crate) fn checkpoints(&mut self, configured: bool, ages_s: &[i64]) -> &mut Self {
        let newest: Vec<Checkpoint> = ages_s
            .iter()
            .map(|age| Checkpoint {
                path: format!("/ckpt/{age}.pt").into(),
                modified: self.clock.wall - TimeDelta::seconds(*age),
                bytes: 1_000,
                inode: *age as u64,
                fault: None,
            })
            .collect();
        let count = newest.len();
        self.look.checkpoints = Observation::Known(CheckpointFacts {
            dir: "/ckpt".into(),
            configured,
            newest,
            unfinished: None,
            count,
            cut: false,
        });
        self
    }

    /// One patrol; then five minutes pass, and what it read is read. What it found stays open as
    /// the ledger would leave it.
    pub(crate) fn patrol(&mut self) -> &mut Self {
        let context = Context {
            config: &self.config,
            run: &self.run,
            look: &self.look,
            now: &self.clock,
            previous: self.previous.as_ref(),
            last_look: self.last_look,
            open: &self.open,
            attended: self.attended.as_ref(),
        };
        self.opinions = judge(&context, &mut self.memory);
        // Whatever is remembered goes through the state file.
        self.memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        for opinion in &self.opinions {
            match opinion {
                Opinion::Well(subject, _) => self.open.retain(|open| open != subject),
                Opinion::Holds(claim) if !claim.over && !self.open.contains(&claim.subject) => {
                    self.open.push(claim.subject.clone());
                }
                Opinion::Holds(_) => {}
            }
        }
        self.previous = Some(self.clock.clone());
        let digest = &mut self.look.digest;
        let mut numbers = digest.numbers.clone();
        numbers.begin_pass();
        *digest = DigestFacts { numbers, ..DigestFacts::default() };
        if let Observation::Known(log) = &mut self.look.log {
            log.bytes_read = 0;
            log.first_look = false;
            log.gaps.clear();
        }
        self.later(300)
    }

    /// What the scene is now, as checks see it.
    pub(crate) fn with_context<T>(&self, look: impl FnOnce(&Context<'_>) -> T) -> T {
        let context = Context {
            config: &self.config,
            run: &self.run,
            look: &self.look,
            now: &self.clock,
            previous: self.previous.as_ref(),
            last_look: self.last_look,
            open: &self.open,
            attended: self.attended.as_ref(),
        };
        look(&context)
    }

    pub(crate) fn phase(&self) -> &'static str {
        self.with_context(|context| phase(context, &self.memory).word())
    }

    /// The claims of the last patrol.
    pub(crate) fn claims(&self) -> Vec<&Claim> {
        let claims = self.opinions.iter().filter_map(|opinion| match opinion {
            Opinion::Holds(claim) => Some(claim.as_ref()),
            Opinion::Well(..) => None,
        });
        claims.collect()
    }

    pub(crate) fn claim(&self, syndrome: &str) -> Option<&Claim> {
        self.claims().into_iter().find(|claim| claim.subject.syndrome == syndrome)
    }

    pub(crate) fn severity(&self, syndrome: &str) -> Option<Severity> {
        self.claim(syndrome).filter(|claim| !claim.over).map(|claim| claim.severity)
    }

    /// Whether the last patrol looked and found it well, and did not find it at the same time.
    pub(crate) fn is_well(&self, syndrome: &str) -> bool {
        let well =
            |opinion: &Opinion| matches!(opinion, Opinion::Well(subject, _) if subject.syndrome == syndrome);
        self.opinions.iter().any(well) && self.claim(syndrome).is_none()
    }
}

fn look(wall: DateTime<Utc>) -> Look {
    let file = FileFacts { path: "/runs/train.log".into(), offset: 0, size: 0, lines: 0, bytes_read: 0 };
    Look {
        log: Observation::Known(LogFacts {
            files: vec![file],
            first_look: true,
            modified: Some(wall),
            ..LogFacts::default()
        }),
        metric_files: Observation::Absent,
        digest: DigestFacts::default(),
        launched: None,
        process: Observation::Absent,
        disks: Vec::new(),
        memory: Observation::Absent,
        checkpoints: Observation::Absent,
        gpus: Observation::Absent,
        guard: crate::observe::guard::GuardFacts::default(),
        stuck: Vec::new(),
        past: Vec::new(),
    }
}

fn config() -> Config {
    Config {
        orchestrator: None,
        aliases: crate::metrics::names::Aliases::default(),
        history: crate::config::History::default(),
        flags: String::new(),
        files: Vec::new(),
        training: Training {
            phase1_steps: 1000,
            phase1_max: Duration::from_hours(6),
            loss_nan_action: Setting { value: NanAction::Stop, by_user: false },
            gradient_norm_max: Setting { value: 100.0, by_user: false },
            loss_max: None,
            gpu_util_min: 0.5,
            memory_usage_max: 0.95,
        },
        patrol: Patrol {
            interval: Duration::from_mins(30),
            loss_plateau_patience: 2,
            disk_min_bytes: 10_000_000_000,
            checkpoint_max: Setting { value: Duration::from_hours(2), by_user: false },
            gpu_temp_max: 85.0,
            renotify: None,
            reopen_quiet: Duration::from_mins(30),
        },
        gpu: Gpu::default(),
        preflight: crate::config::Preflight::default(),
        playbook: Catalogue::default(),
        channels: Channels { terminal: true, file: None, named: Vec::new() },
        judge: None,
        routing: std::collections::BTreeMap::new(),
        runs: Vec::new(),
        agents: Vec::new(),
        downloads: Vec::new(),
        environment: None,
        base: "/runs".into(),
        state_dir: "/state".into(),
        health_file: "/state/agent_health.yaml".into(),
        prometheus_textfile: None,
        heartbeat: None,
        notes: Vec::new(),
        trusted: true,
    }
}
