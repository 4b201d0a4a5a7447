-- One row per learner, course run and change, in the order of the downloads' stamps.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('learner_id')) }}") }}

with

downloaded_rows as (
    select * from {{ ref('int_downloaded_rows') }}
    where {{ is_touched('learner_id') }}
),

-- most runs are downloaded once: their rows have no history to look through
seen_once as (
    select * from downloaded_rows
    where download_count = 1
),

seen_often as (
    select
        *,
        lead(download_number) over (
            partition by learner_id, course_instance order by download_number asc
        ) as next_download_number
    from downloaded_rows
    where download_count > 1
),

states as (
    select
        learner_id,
        course,
        course_instance,
        reported_at as valid_from,
        true as is_reported,
        enrollment_track,
        grade,
        certificate_eligible,
        certificate_delivered,
        enrollment_status
    from seen_often
    union all
    -- whom the following download leaves out is marked there, with what was said last
    select
        learner_id,
        course,
        course_instance,
        next_reported_at as valid_from,
        false as is_reported,
        enrollment_track,
        grade,
        certificate_eligible,
        certificate_delivered,
        enrollment_status
    from seen_often
    where
        next_reported_at is not null
        and coalesce(next_download_number, 0) != download_number + 1
),

said as (
    select
        *,
        (
            is_reported,
            enrollment_track,
            grade,
            certificate_eligible,
            certificate_delivered,
            enrollment_status
        ) as what_is_said
    from states
),

compared as (
    select
        *,
        lag(what_is_said) over (
            partition by learner_id, course_instance order by valid_from asc
        ) as what_was_said
    from said
),

final as (
    select
        learner_id,
        course,
        course_instance,
        reported_at as valid_from,
        null as valid_to,
        true as is_reported,
        enrollment_track,
        grade,
        certificate_eligible,
        certificate_delivered,
        enrollment_status
    from seen_once
    union all
    select
        learner_id,
        course,
        course_instance,
        valid_from,
        lead(valid_from) over (
            partition by learner_id, course_instance order by valid_from asc
        ) as valid_to,
        is_reported,
        enrollment_track,
        grade,
        certificate_eligible,
        certificate_delivered,
        enrollment_status
    from compared
    where what_is_said is distinct from what_was_said
)

select * from final
