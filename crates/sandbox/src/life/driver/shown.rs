//! What each controller is shown of the world when it is asked for a plan.

use jiff::Timestamp;
use serde_json::Value;

use super::super::change::Plan;
use super::super::kind::Kind;
use super::super::object::{annotation, name, namespace, seconds_after, text};
use super::super::refusal::Refusal;
use super::super::scheduler::claims;
use super::super::world::Key;
use super::super::{
    SIMULATED, autoscaler, claim, cronjob, daemonset, deployment, disruption, endpoints, job, kubelet, links,
    replicaset, seed, statefulset,
};
use super::{Driver, LONGEST_PAUSE};

impl Driver {
    /// What is to be done for the object at this place.
    pub(super) fn plan(&self, key: &Key, now: Timestamp) -> Plan {
        let world = &self.world;
        let Some(object) = world.at(key) else {
            return match key.kind {
                Kind::Service => endpoints::left_over(world.get(Kind::Endpoints, &key.namespace, &key.name)),
                _ => Plan::default(),
            };
        };
        // Those that make pods say themselves what they were refused.
        let makes_pods = matches!(
            key.kind,
            Kind::ReplicaSet | Kind::ReplicationController | Kind::StatefulSet | Kind::DaemonSet | Kind::Job
        );
        if !makes_pods && let Some(refusal) = self.holding_back(key, now) {
            return Plan {
                wake: refusal.again,
                ..Plan::default()
            };
        }
        match key.kind {
            Kind::Deployment => {
                let sets = world.controlled(Kind::ReplicaSet, object);
                let pods = sets
                    .iter()
                    .flat_map(|set| world.controlled(Kind::Pod, set))
                    .collect();
                deployment::desired(
                    &deployment::Slice {
                        deployment: object,
                        sets,
                        pods,
                    },
                    now,
                )
            }
            Kind::ReplicaSet | Kind::ReplicationController => {
                let pods = world.controlled(Kind::Pod, object);
                let refusal = self.refusal(key, object, now);
                replicaset::desired(
                    &replicaset::Slice {
                        kind: key.kind,
                        set: object,
                        pods,
                        refusal: refusal.as_ref(),
                    },
                    now,
                )
            }
            Kind::StatefulSet => {
                let refusal = self.refusal(key, object, now);
                let claim_exists = |name: &str| {
                    world
                        .get(Kind::PersistentVolumeClaim, namespace(object), name)
                        .is_some()
                };
                let slice = statefulset::Slice {
                    set: object,
                    pods: world.controlled(Kind::Pod, object),
                    revisions: world.controlled(Kind::ControllerRevision, object),
                    claim_exists: &claim_exists,
                    refusal: refusal.as_ref(),
                };
                statefulset::desired(&slice, now)
            }
            Kind::Job => {
                let pods = world.controlled(Kind::Pod, object);
                let refusal = self.refusal(key, object, now);
                job::desired(
                    &job::Slice {
                        job: object,
                        pods,
                        refusal: refusal.as_ref(),
                    },
                    now,
                )
            }
            Kind::DaemonSet => {
                let refusal = self.refusal(key, object, now);
                let slice = daemonset::Slice {
                    set: object,
                    nodes: self.simulated_nodes(),
                    pods: world.controlled(Kind::Pod, object),
                    revisions: world.controlled(Kind::ControllerRevision, object),
                    refusal: refusal.as_ref(),
                };
                daemonset::desired(&slice, now)
            }
            Kind::CronJob => cronjob::desired(
                &cronjob::Slice {
                    cron_job: object,
                    jobs: world.controlled(Kind::Job, object),
                },
                now,
            ),
            Kind::HorizontalPodAutoscaler => {
                let target = autoscaler::target(object);
                let (scaled, rivals) = match target {
                    Some((kind, target)) => (
                        world
                            .get(kind, namespace(object), target)
                            .map(|target| (kind, target)),
                        links::scalers_of(world, namespace(object), kind, target)
                            .filter(|other| name(other) != name(object))
                            .collect(),
                    ),
                    None => (None, Vec::new()),
                };
                autoscaler::desired(
                    &autoscaler::Slice {
                        scaler: object,
                        target: scaled,
                        rivals,
                    },
                    now,
                )
            }
            Kind::PodDisruptionBudget => {
                let pods = world.within(Kind::Pod, namespace(object));
                let slice = disruption::Slice {
                    budget: object,
                    pods: pods.filter(|pod| links::selects(object, pod)).collect(),
                    scale: &|pod| links::scale_of(world, pod),
                };
                disruption::desired(&slice, now)
            }
            Kind::PersistentVolumeClaim => claim::desired(&claim::Slice {
                claim: object,
                classes: world.all(Kind::StorageClass).collect(),
                volumes: world.all(Kind::PersistentVolume).collect(),
                in_use: links::claim_in_use(world, object),
            }),
            Kind::PersistentVolume => {
                let reference = object.pointer("/spec/claimRef").unwrap_or(&Value::Null);
                let claim = Key::new(
                    Kind::PersistentVolumeClaim,
                    text(reference, "/namespace"),
                    text(reference, "/name"),
                );
                if self.is_settled(&claim) {
                    claim::desired_volume(object, world.at(&claim))
                } else {
                    Plan::default()
                }
            }
            Kind::Pod => self.plan_pod(key, object, now),
            Kind::Service => {
                let pods: Vec<&Value> = world.within(Kind::Pod, namespace(object)).collect();
                let (space, slice) = (namespace(object), endpoints::slice_name(object));
                let present = endpoints::Present {
                    slice: world.get(Kind::EndpointSlice, space, &slice),
                    endpoints: world.get(Kind::Endpoints, space, name(object)),
                };
                endpoints::desired(object, &pods, present)
            }
            Kind::Node => seed::desired_node(object, now),
            Kind::StorageClass
            | Kind::ServiceAccount
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::ControllerRevision
            | Kind::Endpoints
            | Kind::EndpointSlice => Plan::default(),
        }
    }

    fn plan_pod(&self, key: &Key, pod: &Value, now: Timestamp) -> Plan {
        let (world, space) = (&self.world, namespace(pod));
        let claim_key = |name: &str| Key::new(Kind::PersistentVolumeClaim, space, name);
        if text(pod, "/spec/nodeName").is_empty()
            && !claims(pod).all(|name| self.is_settled(&claim_key(name)))
        {
            return Plan::default();
        }
        kubelet::desired(
            &kubelet::Slice {
                pod,
                nodes: self.simulated_nodes(),
                claim: &|name| world.at(&claim_key(name)),
                supplies: kubelet::Supplies {
                    secret: &|name| world.get(Kind::Secret, space, name),
                    config_map: &|name| world.get(Kind::ConfigMap, space, name),
                },
                address_taken: &|address| world.address_taken(address, pod),
                woken: self.woken.contains(key),
            },
            now,
        )
    }

    fn simulated_nodes(&self) -> Vec<&Value> {
        let simulated = |node: &&Value| annotation(node, SIMULATED) == "true";
        self.world.all(Kind::Node).filter(simulated).collect()
    }

    /// What the API refused so short a time ago that it is not asked again yet.
    fn holding_back(&self, key: &Key, now: Timestamp) -> Option<&Refusal> {
        let (_, refusal) = self.refused.get(key)?;
        refusal.again.is_some_and(|again| again > now).then_some(refusal)
    }

    /// Why the pods of a workload cannot be made now.
    fn refusal(&self, key: &Key, workload: &Value, now: Timestamp) -> Option<Refusal> {
        let account = |name: &str| {
            self.world
                .get(Kind::ServiceAccount, namespace(workload), name)
                .is_some()
        };
        if let Some(refusal) = Refusal::missing_account(workload, account) {
            return Some(refusal);
        }
        if let Some(refusal) = self.holding_back(key, now) {
            return Some(refusal.clone());
        }
        let pods = self.world.count(Kind::Pod);
        (pods >= self.options.max_pods).then(|| Refusal {
            message: format!(
                "pods \"{}-\" is forbidden: the sandbox holds {pods} pods and takes no more than {}",
                name(workload),
                self.options.max_pods
            ),
            again: Some(seconds_after(now, LONGEST_PAUSE)),
            say: true,
        })
    }
}
