-- One row per course run, in run order.
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

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

learner_runs as (
    select
        course_runs.course_instance,
        details.grade > 0 as has_attempted,
        details.certificate_eligible = 'Y' as is_certificate_eligible,
        details.certificate_eligible = 'Y' or details.grade >= course_runs.pass_grade as has_passed,
        coalesce(enrollment_tracks.is_verified = 'true', false) as is_verified,
        details.audit_passed = 'Y' as has_audit_passed,
        details.enrollment_status = 'unenrolled' as has_left
    from course_runs
    inner join course_instancedetails as details on course_runs.course_instance = details.course_instance
    left join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
),

counted as (
    select
        course_instance,
        count(*) as learners,
        count(*) filter (where has_left) as unenrolled,
        count(*) filter (where has_attempted) as attempted,
        count(*) filter (where has_passed) as passed,
        count(*) filter (where is_verified) as verified,
        count(*) filter (where is_verified and is_certificate_eligible) as verified_passed,
        count(*) filter (where is_certificate_eligible) as certificate_eligible,
        count(*) filter (where has_audit_passed) as audit_passed
    from learner_runs
    group by course_instance
),

final as (
    select
        course_runs.course,
        courses.position,
        course_runs.course_instance,
        course_runs.run_order::integer as run_order,
        course_runs.reported_at,
        coalesce(counted.learners, 0) as learners,
        coalesce(counted.unenrolled, 0) as unenrolled,
        coalesce(counted.attempted, 0) as attempted,
        coalesce(counted.passed, 0) as passed,
        coalesce(counted.verified, 0) as verified,
        coalesce(counted.verified_passed, 0) as verified_passed,
        coalesce(counted.certificate_eligible, 0) as certificate_eligible,
        coalesce(counted.audit_passed, 0) as audit_passed,
        {{ share('counted.attempted', 'counted.learners') }} as attempted_share,
        {{ share('counted.passed', 'counted.learners') }} as passed_share,
        {{ share('counted.verified', 'counted.learners') }} as verified_share,
        {{ share('counted.verified_passed', 'counted.learners') }} as verified_passed_share,
        {{ share('counted.certificate_eligible', 'counted.learners') }} as certificate_eligible_share,
        {{ share('counted.audit_passed', 'counted.learners') }} as audit_passed_share,
        course_runs.pass_grade
    from course_runs
    inner join courses on course_runs.course = courses.course
    left join counted on course_runs.course_instance = counted.course_instance
)

select * from final
order by position, run_order
