//! What becomes of a row: whose it is, and whether it was told already.

use super::election::Election;
use super::{Digest, FileState};
use crate::metrics::Metric;
use crate::metrics::file::Points;
use crate::metrics::text::FileContext;
use crate::observe::log::{Block, Role, Source};

impl Digest {
    #[inline]
    pub(super) fn row(&mut self, state: &mut FileState, context: &mut FileContext) {
        if self.extractor.row().values.get(Metric::Loss).is_some() {
            self.completed = None;
            if !state.lead || !self.election(state.role).settled {
                self.elect(state, context);
            }
        }
        self.rows += 1;
        self.rowless = false;
        state.rows += 1;
        let row = self.extractor.row();
        state.step = row.values.get(Metric::Step).or(state.step);
        state.time = row.time.or(state.time);
        if state.role == Role::Metrics || self.numbers.joint.is_some() {
            return self.joint_row(state);
        }
        // Other ranks print the same numbers again; what they alone can say is that one is not finite.
        if state.lead || self.election.lead.is_none() {
            self.numbers.fold(row, &state.head);
            self.recent.push(row);
        } else {
            self.numbers.fold_other(row, &state.log.to_string_lossy(), &state.head);
        }
    }

    /// A row of a run that has metric files.
    #[cold]
    fn joint_row(&mut self, state: &FileState) {
        let mut row = self.extractor.row().clone();
        let known = self.numbers.attempt;
        let other = !state.lead && self.election(state.role).lead.is_some();
        let is_left = match state.role {
            Role::Metrics => {
                row.attempt = row.attempt.max(known);
                if other && row.values.get(Metric::Loss).is_some() {
                    return self.numbers.fold_other(&row, &state.path, &state.head);
                }
                // Evaluations may count something else, and those of several steps come at once.
                let last = self.numbers.last_step.filter(|_| row.attempt == known);
                let left = self.numbers.joint.get_or_insert_default().of_file(&mut row);
                if row.values.get(Metric::Loss).is_none() && row.global_step < last {
                    row.global_step = None;
                    row.values.remove(Metric::Step);
                    row.time = None;
                }
                left
            }
            Role::Log => {
                // The files are ahead: they told that the run began anew.
                if row.attempt < known && row.attempt == self.attempt_before {
                    return;
                }
                row.attempt = row.attempt.max(known);
                if other {
                    return self.numbers.fold_other(&row, &state.log.to_string_lossy(), &state.head);
                }
                self.numbers.joint.get_or_insert_default().of_log(&mut row)
            }
        };
        if is_left {
            if state.role == Role::Metrics
                && let Some(joint) = &mut self.numbers.joint
                && joint.source.1 != state.head
            {
                joint.source = (state.path.clone(), state.head.clone());
            }
            self.numbers.fold(&row, &state.head);
            self.recent.push(&row);
        }
    }

    pub(super) fn election(&mut self, role: Role) -> &mut Election {
        match role {
            Role::Log => &mut self.election,
            Role::Metrics => &mut self.files_election,
        }
    }

    #[cold]
    fn elect(&mut self, state: &mut FileState, context: &mut FileContext) {
        let (lead, is_new) = (state.lead, state.is_new);
        if !self.election(state.role).vote(lead, is_new) {
            return;
        }
        let before = self.election(state.role).lead.replace(state.log.clone());
        let row = self.extractor.row();
        let attempt = match before {
            Some(from) => {
                self.numbers.change_lead(row, &from.to_string_lossy(), &state.log.to_string_lossy())
            }
            None => row.attempt.max(self.numbers.attempt),
        };
        context.attempt = attempt;
        self.extractor.set_attempt(attempt);
        let others = self.files.values_mut().filter(|other| other.role == state.role);
        others.for_each(|other| other.lead = false);
        state.lead = true;
    }

    /// Records of a file that is no text: their numbers, as rows once they are complete.
    pub(super) fn points(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        source: &Source<'_>,
        block: &Block<'_>,
    ) -> u64 {
        let mut points =
            state.points.take().unwrap_or_else(|| Points::new(source.format, source.path, false));
        for (record, number, offset) in block.records() {
            points.record(record, number, offset, self.extractor.aliases());
            while points.next(&mut self.extractor, context) {
                self.row(state, context);
            }
            self.records += 1;
            state.records += 1;
        }
        state.points = Some(points);
        block.line
    }

    pub(super) fn take_points(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        mut points: Points,
    ) {
        while points.next(&mut self.extractor, context) {
            self.row(state, context);
        }
        state.points = Some(points);
    }
}
