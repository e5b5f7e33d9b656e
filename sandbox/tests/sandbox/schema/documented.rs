//! The answers of API v2 as CircleCI documents them, and of API v1.1 as it was recorded.

use serde_json::{Value, json};

/// A list with the token of its next page.
pub(crate) fn page(item: &Value) -> Value {
    json!({"required": {"items": {"items": item}, "next_page_token": {"nullable": "text"}}})
}

fn pipeline_state() -> Value {
    json!({"words": ["created", "errored", "setup-pending", "setup", "pending"]})
}

/// The answer of both calls that start a pipeline.
pub(crate) fn created_pipeline() -> Value {
    json!({"required": {
        "id": "uuid",
        "state": pipeline_state(),
        "number": "positive",
        "created_at": "time",
    }})
}

/// `GET /pipeline/{id}`, and an item of the project's listing.
pub(crate) fn pipeline() -> Value {
    let error = json!({"required": {
        "type": {"words": [
            "config", "config-fetch", "invalid-trigger-setup", "other", "permission", "plan",
            "timeout", "trigger-rule",
        ]},
        "message": "text",
    }});
    let actor = json!({"required": {"login": "text", "avatar_url": {"nullable": "text"}}});
    let commit = json!({"required": {
        "subject": {"nullable": "text"},
        "body": {"nullable": "text"},
    }});
    let parameter = json!({"any": ["text", "integer", "boolean", {"values": "anything"}]});
    json!({
        "required": {
            "id": "uuid",
            "number": "positive",
            "project_slug": "text",
            "created_at": "time",
            "errors": {"items": error},
            "state": pipeline_state(),
            "trigger": {"required": {
                "type": {"words": ["scheduled_pipeline", "explicit", "api", "webhook"]},
                "received_at": "time",
                "actor": actor,
            }},
        },
        "optional": {
            "updated_at": "time",
            "trigger_parameters": {"values": parameter},
            "vcs": {
                "required": {
                    "provider_name": "text",
                    "origin_repository_url": "text",
                    "target_repository_url": "text",
                    "revision": {"nullable": "text"},
                },
                "optional": {
                    "branch": "text",
                    "tag": "text",
                    "review_id": "text",
                    "review_url": "text",
                    "commit": commit,
                },
            },
        },
    })
}

/// `GET /workflow/{id}`, and an item of the pipeline's list.
pub(crate) fn workflow() -> Value {
    json!({
        "required": {
            "id": "uuid",
            "name": "text",
            // `queued` is in the guide on serial groups, not in the specification.
            "status": {"words": [
                "success", "running", "not_run", "failed", "error", "failing", "on_hold",
                "canceled", "unauthorized", "queued",
            ]},
            "created_at": "seconds",
            "stopped_at": {"nullable": "seconds"},
            "pipeline_id": "uuid",
            "pipeline_number": "positive",
            "project_slug": "text",
            "started_by": "uuid",
        },
        "optional": {
            "canceled_by": "uuid",
            "errored_by": "uuid",
            "tag": {"nullable": {"words": ["setup"]}},
            "auto_rerun_number": "positive",
            "max_auto_reruns": "positive",
        },
    })
}

/// An item of `GET /workflow/{id}/job`.
pub(crate) fn job() -> Value {
    json!({
        "required": {
            "id": "uuid",
            "name": "text",
            // Documented as a time; a job that has not started has none.
            "started_at": {"nullable": "seconds"},
            "dependencies": {"items": "uuid"},
            "project_slug": "text",
            "status": {"words": [
                "success", "running", "not_run", "failed", "retried", "queued", "not_running",
                "infrastructure_fail", "timedout", "on_hold", "terminated-unknown", "blocked",
                "canceled", "unauthorized",
            ]},
            "type": {"words": ["build", "approval"]},
        },
        "optional": {
            "job_number": "positive",
            "stopped_at": {"nullable": "seconds"},
            "approval_request_id": "uuid",
            "approved_by": "uuid",
            "canceled_by": "uuid",
            "requires": {"values": {"items": {"words": ["success", "failed", "canceled"]}}},
        },
    })
}

/// `GET /pipeline/{id}/config`.
pub(crate) fn config() -> Value {
    json!({
        "required": {"source": "text", "compiled": "text"},
        "optional": {"setup-config": "text", "compiled-setup-config": "text"},
    })
}

/// `GET /pipeline/{id}/values`.
pub(crate) fn values() -> Value {
    json!({"values": {"any": ["text", "integer", "boolean"]}})
}

/// `GET /me`.
pub(crate) fn me() -> Value {
    json!({"required": {
        "id": "uuid",
        "login": "text",
        "name": "text",
        "avatar_url": {"nullable": "text"},
    }})
}

/// `GET /project/{slug}`.
pub(crate) fn project() -> Value {
    json!({"required": {
        "slug": "text",
        "name": "text",
        "id": "uuid",
        "organization_name": "text",
        "organization_slug": "text",
        "organization_id": "uuid",
        "vcs_info": {"required": {
            "vcs_url": "text",
            "provider": {"words": ["Bitbucket", "CircleCI", "GitHub"]},
            "default_branch": "text",
        }},
    }})
}

/// Confirmations and errors.
pub(crate) fn message() -> Value {
    json!({"required": {"message": "text"}})
}

/// `POST /workflow/{id}/rerun`.
pub(crate) fn rerun() -> Value {
    json!({"required": {"workflow_id": "uuid"}})
}

/// A build of API v1.1, as each of its calls answers it.
pub(crate) fn build() -> Value {
    let status = json!({"words": [
        "retried", "canceled", "infrastructure_fail", "timedout", "not_run", "running", "failed",
        "queued", "scheduled", "not_running", "no_tests", "fixed", "success",
    ]});
    json!({
        "required": {
            "build_num": "positive",
            "build_url": "text",
            "status": status,
            "lifecycle": {"words": [
                "queued", "scheduled", "not_run", "not_running", "running", "finished",
            ]},
            "outcome": {"nullable": {"words": [
                "canceled", "infrastructure_fail", "timedout", "failed", "no_tests", "success",
            ]}},
            "dont_build": {"nullable": "text"},
            "why": {"words": ["api", "auto-retry", "edit", "github", "retry"]},
            "branch": "text",
            "vcs_revision": "text",
            "vcs_type": {"words": ["github", "bitbucket"]},
            "username": "text",
            "reponame": "text",
            "body": {"nullable": "text"},
            "build_parameters": {"nullable": {"values": "anything"}},
            "start_time": {"nullable": "time"},
            "stop_time": {"nullable": "time"},
            "build_time_millis": {"nullable": "integer"},
            "previous": {"nullable": {"required": {
                "build_num": "positive",
                "status": status,
                "build_time_millis": "integer",
            }}},
            "retries": {"nullable": {"items": "positive"}},
            "retry_of": {"nullable": "positive"},
            "canceled": "boolean",
            "failed": {"nullable": "boolean"},
            "fail_reason": {"nullable": "text"},
            "infrastructure_fail": "boolean",
            "timedout": "boolean",
            "is_first_green_build": "boolean",
            "job_name": {"nullable": "text"},
            "no_dependency_cache": {"nullable": "boolean"},
            "node": {"nullable": {"items": "anything"}},
            "parallel": "positive",
        },
        "optional": {
            "platform": "text",
            "queued_at": "time",
            "usage_queued_at": "time",
            "subject": {"nullable": "text"},
            "user": {"values": "anything"},
            "vcs_url": "text",
            "workflows": {"required": {
                "job_name": "text",
                "job_id": "uuid",
                "workflow_id": "uuid",
                "workflow_name": "text",
                "upstream_job_ids": {"items": "uuid"},
                "upstream_concurrency_map": {"values": "anything"},
            }},
        },
    })
}

/// The answer for one build: the summary, its configuration and its steps.
pub(crate) fn one_build() -> Value {
    let mut schema = build();
    let action = json!({"values": "anything"});
    let step = json!({"required": {"name": "text", "actions": {"items": action}}});
    schema["required"]["circle_yml"] = json!({"required": {"string": "text"}});
    schema["required"]["steps"] = json!({"items": step});
    schema
}
