-- One row per course run, country and enrolment track: how many learners took which step.
with

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

course_runs as (
    select * from {{ ref('int_course_runs_ordered') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

learners as (
    select * from {{ ref('learners') }}
),

enrollment_tracks as (
    select * from {{ ref('enrollment_tracks') }}
),

learner_runs as (
    select
        course_runs.course,
        courses.position,
        course_runs.course_instance,
        course_runs.run_order::integer as run_order,
        learners.country,
        details.enrollment_track,
        details.enrollment_status = 'unenrolled' as has_left,
        details.grade > 0 as has_attempted,
        details.certificate_eligible = 'Y' or details.grade >= courses.pass_grade as has_passed,
        coalesce(enrollment_tracks.is_verified = 'true', false) as is_verified,
        details.certificate_eligible = 'Y' as is_certificate_eligible
    from course_instancedetails as details
    inner join course_runs on details.course_instance = course_runs.course_instance
    inner join courses on course_runs.course = courses.course
    inner join learners on details.learner_id = learners.student_id
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
),

final as (
    select
        course,
        position,
        course_instance,
        run_order,
        country,
        enrollment_track,
        count(*) as learners,
        count(*) filter (where has_left) as unenrolled,
        count(*) filter (where has_attempted) as attempted,
        count(*) filter (where has_passed) as passed,
        count(*) filter (where is_verified) as verified,
        count(*) filter (where is_certificate_eligible) as certificate_eligible
    from learner_runs
    group by course, position, course_instance, run_order, country, enrollment_track
)

select * from final
