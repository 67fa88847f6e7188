//! The bookkeeping of a client: what it has submitted and may have to submit again.
//!
//! A scheduler that died knows nothing. What a client still wants it tells the next one, with all that this needs: the
//! recipes of the values it wants, and of what they were made from, as the scheduler would have remembered them.

use std::sync::Arc;

use bytes::Bytes;

use crate::ids::Map;
use crate::message::{Rules, Submit, Task};
use crate::{BlobId, Key};

struct Recipe {
    task: Task,
    group: Arc<str>,
    rules: Option<Rules>,
    /// How many recipes name it as an input.
    readers: u32,
    wanted: bool,
}

/// What one client has asked for.
#[derive(Default)]
pub struct Wishes {
    recipes: Map<Key, Recipe>,
    blobs: Map<BlobId, (Bytes, u32)>,
}

impl Wishes {
    /// Whether a blob has to be sent along with the next task that is a call of it.
    pub fn knows_blob(&self, blob: BlobId) -> bool {
        self.blobs.contains_key(&blob)
    }

    /// Whether the key of a task is in use for another call.
    pub fn contradicts(&self, task: &Task) -> bool {
        self.recipes.get(&task.key).is_some_and(|known| {
            let known = &known.task;
            known.blob != task.blob
                || known.index != task.index
                || known.args != task.args
                || known.inputs != task.inputs
        })
    }

    /// Whether the recipe of a task is remembered: its value is wanted, or needed for another that is.
    pub fn knows(&self, key: Key) -> bool {
        self.recipes.contains_key(&key)
    }

    /// The number of recipes kept.
    pub fn len(&self) -> usize {
        self.recipes.len()
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.recipes.is_empty()
    }

    /// Remembers what is about to be submitted.
    pub fn submitted(&mut self, submit: &Submit) {
        for (id, bytes) in &submit.blobs {
            self.blobs.entry(*id).or_insert_with(|| (bytes.clone(), 0));
        }
        for task in &submit.tasks {
            if let Some(known) = self.recipes.get_mut(&task.key) {
                known.wanted |= task.wanted;
                continue;
            }
            for input in &task.inputs {
                if let Some(input) = self.recipes.get_mut(input) {
                    input.readers += 1;
                }
            }
            if let Some((_, users)) = task.blob.and_then(|blob| self.blobs.get_mut(&blob)) {
                *users += 1;
            }
            let group = submit.groups.get(task.group as usize).cloned().unwrap_or_else(|| "task".into());
            let rules = task.rules.checked_sub(1).and_then(|rules| submit.rules.get(rules as usize)).cloned();
            let recipe = Recipe { task: task.clone(), group, rules, readers: 0, wanted: task.wanted };
            self.recipes.insert(task.key, recipe);
        }
    }

    /// Forgets what is not wanted any more and what only that needed.
    pub fn released(&mut self, key: Key) {
        if let Some(recipe) = self.recipes.get_mut(&key) {
            recipe.wanted = false;
        }
        let mut stack = vec![key];
        while let Some(key) = stack.pop() {
            let unneeded = self.recipes.get(&key).is_some_and(|recipe| !recipe.wanted && recipe.readers == 0);
            if !unneeded {
                continue;
            }
            let Some(recipe) = self.recipes.remove(&key) else { continue };
            if let Some(blob) = recipe.task.blob
                && let Some((_, users)) = self.blobs.get_mut(&blob)
            {
                *users -= 1;
                if *users == 0 {
                    self.blobs.remove(&blob);
                }
            }
            for input in &recipe.task.inputs {
                if let Some(record) = self.recipes.get_mut(input) {
                    record.readers -= 1;
                    stack.push(*input);
                }
            }
        }
    }

    /// All of it, for a scheduler that knows nothing.
    pub fn again(&self) -> Submit {
        let mut submit = Submit { again: true, ..Submit::default() };
        submit.blobs = self.blobs.iter().map(|(id, (bytes, _))| (*id, bytes.clone())).collect();
        let mut groups: std::collections::HashMap<Arc<str>, u32> = std::collections::HashMap::new();
        // Inputs first: a walk along them, by a list.
        let mut placed = crate::ids::Set::default();
        let mut keys: Vec<Key> = self.recipes.keys().copied().collect();
        keys.sort_unstable_by_key(|key| (self.recipes[key].task.place, *key));
        for key in keys {
            let mut stack = vec![key];
            while let Some(key) = stack.last().copied() {
                let Some(recipe) = self.recipes.get(&key).filter(|_| !placed.contains(&key)) else {
                    stack.pop();
                    continue;
                };
                let before = stack.len();
                let missing = recipe.task.inputs.iter().copied();
                stack.extend(missing.filter(|input| self.recipes.contains_key(input) && !placed.contains(input)));
                if stack.len() > before {
                    continue;
                }
                stack.pop();
                placed.insert(key);
                let group = *groups.entry(Arc::clone(&recipe.group)).or_insert_with(|| {
                    submit.groups.push(Arc::clone(&recipe.group));
                    submit.groups.len() as u32 - 1
                });
                let rules = recipe.rules.as_ref().map_or(0, |rules| {
                    let at = submit.rules.iter().position(|other| other == rules).unwrap_or_else(|| {
                        submit.rules.push(rules.clone());
                        submit.rules.len() - 1
                    });
                    at as u32 + 1
                });
                submit.tasks.push(Task { group, rules, wanted: recipe.wanted, ..recipe.task.clone() });
            }
        }
        submit
    }
}
