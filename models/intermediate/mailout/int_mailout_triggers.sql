-- One row per learner and series course whose current run gives a reason to write, with the next course.
{{ config(materialized='table') }}

with

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

course_runs as (
    select * from {{ ref('this_program_course_runs') }}
),

courses as (
    select * from {{ ref('int_course_flags') }}
),

learner_standings as (
    select * from {{ ref('int_learner_standings') }}
),

nearest_tracks as (
    select * from {{ ref('int_standing_tracks') }}
    where is_nearest
),

runs as (
    select
        *,
        {{ tells_of_certificate('certificate_eligible', 'enrollment_track', 'reported_at') }} as is_certified
    from course_instancedetails
),

certified as (
    select distinct
        learner_id,
        course
    from runs
    where is_certified
),

final as (
    select
        runs.learner_id as student_id,
        courses.course as trigger_course,
        courses.position as trigger_position,
        course_runs.course_instance as trigger_course_instance,
        course_runs.title as trigger_course_title,
        course_runs.link as trigger_course_link,
        course_runs.upgrade_ends_on as trigger_course_upgrade_ends_on,
        -- where no deadline is known: nobody can upgrade in a run that has ended
        coalesce(course_runs.upgrade_ends_on, course_runs.ends_on) as trigger_course_open_until,
        runs.is_certified,
        runs.certificate_delivered = 'Y' as is_certificate_delivered,
        runs.enrollment_status,
        runs.reported_at,
        certified.learner_id is not null as has_certificate,
        -- the first that brings the learner's nearest track closer
        nearest_tracks.next_course
    from runs
    inner join course_runs
        on
            runs.course = course_runs.course
            and lower(runs.course_instance) = lower(course_runs.course_instance)
            and course_runs.run_role = 'current'
    inner join courses on course_runs.course = courses.course
    left join certified on runs.learner_id = certified.learner_id and runs.course = certified.course
    left join learner_standings as standings on runs.learner_id = standings.student_id
    left join nearest_tracks
        on
            standings.certified_flags = nearest_tracks.certified_flags
            -- who passed as an auditor upgrades that course first
            and if(runs.is_certified, standings.settled_flags, standings.settled_flags | courses.flag)
            = nearest_tracks.settled_flags
    where
        not courses.is_capstone
        and (runs.audit_passed = 'Y' or runs.is_certified)
)

select * from final
