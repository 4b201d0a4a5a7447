-- One row per course run, country and enrolment track: how many learners took which step.
with

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

-- in the order in which one reads them side by side
runs as (
    select
        course_runs.course,
        course_runs.course_instance,
        course_runs.pass_grade,
        row_number() over (order by courses.position, course_runs.run_order)::integer as run_position
    from course_runs
    inner join courses on course_runs.course = courses.course
),

learner_runs as (
    select
        runs.course,
        runs.course_instance,
        runs.run_position,
        {{ known_country('learners.country') }} as country,
        {{ known_track('details.enrollment_track', 'enrollment_tracks.track') }} as enrollment_track,
        {{ has_left('details.enrollment_status') }} as has_left,
        details.grade > 0 as has_attempted,
        details.certificate_eligible = 'Y' or details.grade >= runs.pass_grade as has_passed,
        coalesce(enrollment_tracks.is_verified, false) as is_verified,
        details.certificate_eligible = 'Y' as is_certificate_eligible,
        details.audit_passed = 'Y' as has_audit_passed
    from course_instancedetails as details
    inner join runs on details.course_instance = runs.course_instance
    inner join learners on details.learner_id = learners.student_id
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
),

final as (
    select
        course,
        course_instance,
        run_position,
        country,
        enrollment_track,
        count(*) as learners,
        count(*) filter (where has_left) as unenrolled,
        count(*) filter (where has_attempted) as attempted,
        count(*) filter (where has_passed) as passed,
        count(*) filter (where is_verified) as verified,
        count(*) filter (where is_certificate_eligible) as certificate_eligible,
        count(*) filter (where is_verified and is_certificate_eligible) as verified_passed,
        count(*) filter (where has_audit_passed) as audit_passed
    from learner_runs
    group by course, course_instance, run_position, country, enrollment_track
)

select * from final
