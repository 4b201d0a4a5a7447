-- One row per learner and course that the learner was ever enrolled in.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

with

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
    where {{ is_touched('learner_id') }}
),

course_runs as (
    select
        *,
        count(*) over (partition by course) as run_count
    from {{ ref('int_course_runs') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

rated_runs as (
    select
        details.learner_id,
        details.course,
        details.enrollment_track,
        details.grade,
        course_runs.run_order,
        details.certificate_eligible = 'Y' as is_eligible,
        details.grade >= course_runs.pass_grade as reaches_pass_grade,
        coalesce(enrollment_tracks.is_verified, false) as is_verified,
        -- an eligible run goes before all others of its course
        if(is_eligible, course_runs.run_count, 0) + course_runs.run_order as deciding_rank
    from course_instancedetails as details
    inner join course_runs on details.course_instance = course_runs.course_instance
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
),

per_course as (
    select
        learner_id,
        course,
        {{ value_at_max('enrollment_track', 'deciding_rank') }} as enrollment_track,
        -- the newest eligible run decides; where none is eligible, the newest
        coalesce(max(run_order) filter (where is_eligible), max(run_order)) as deciding_run_order,
        bool_or(is_eligible) or max_by(reaches_pass_grade, run_order) as is_passed,
        max(run_order) as latest_run_order,
        max_by(grade, run_order) as latest_grade,
        -- of runs with the same grade, the newest is the best
        max_by(run_order, (grade, run_order)) as best_run_order,
        max(grade) as best_grade,
        bool_or(is_eligible) as is_certificate_eligible,
        bool_or(is_eligible and is_verified) as is_verified_passed,
        bool_or(is_eligible or (is_verified and reaches_pass_grade)) as is_settled,
        bool_or(is_eligible or reaches_pass_grade) as ever_passed,
        count(*) as runs_taken
    from rated_runs
    group by learner_id, course
),

final as (
    select
        per_course.learner_id as student_id,
        courses.program,
        per_course.course,
        courses.position,
        courses.is_capstone,
        per_course.enrollment_track,
        if(per_course.is_passed, 'Y', 'N') as passed,
        per_course.is_certificate_eligible,
        per_course.is_verified_passed,
        coalesce(per_course.enrollment_track = 'audit', false) and per_course.is_passed as is_audit_passed,
        per_course.is_settled,
        deciding_runs.course_instance as deciding_course_instance,
        if(per_course.is_certificate_eligible, 'certificate', 'newest run') as decided_by,
        latest_runs.course_instance as latest_course_instance,
        per_course.latest_grade,
        best_runs.course_instance as best_course_instance,
        per_course.best_grade,
        per_course.ever_passed,
        per_course.runs_taken::integer as runs_taken
    from per_course
    inner join courses on per_course.course = courses.course
    inner join course_runs as deciding_runs
        on
            per_course.course = deciding_runs.course
            and per_course.deciding_run_order = deciding_runs.run_order
    inner join course_runs as latest_runs
        on
            per_course.course = latest_runs.course
            and per_course.latest_run_order = latest_runs.run_order
    inner join course_runs as best_runs
        on
            per_course.course = best_runs.course
            and per_course.best_run_order = best_runs.run_order
)

select * from final
