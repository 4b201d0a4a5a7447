-- One row per course of the program; a learner who took several runs counts once.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

enrollment_tracks as (
    select * from {{ ref('stg_seeds__enrollment_tracks') }}
),

counted as (
    select
        course,
        count(*) as learners,
        count(*) filter (where best_grade > 0) as attempted,
        count(*) filter (where ever_passed) as passed,
        count(*) filter (where is_verified_passed) as verified_passed,
        count(*) filter (where is_certificate_eligible) as certificate_eligible,
        count(*) filter (where is_audit_passed) as audit_passed
    from learner_courses
    group by course
),

ever_verified as (
    select
        details.course,
        count(distinct details.learner_id) as verified
    from course_instancedetails as details
    inner join enrollment_tracks on details.enrollment_track = enrollment_tracks.track
    where enrollment_tracks.is_verified = 'true'
    group by details.course
),

final as (
    select
        courses.course,
        courses.position,
        courses.title,
        courses.is_capstone,
        coalesce(counted.learners, 0) as learners,
        coalesce(counted.attempted, 0) as attempted,
        coalesce(counted.passed, 0) as passed,
        coalesce(ever_verified.verified, 0) as verified,
        coalesce(counted.verified_passed, 0) as verified_passed,
        coalesce(counted.certificate_eligible, 0) as certificate_eligible,
        coalesce(counted.audit_passed, 0) as audit_passed,
        {{ share('counted.attempted', 'counted.learners') }} as attempted_share,
        {{ share('counted.passed', 'counted.learners') }} as passed_share,
        {{ share('ever_verified.verified', 'counted.learners') }} as verified_share,
        {{ share('counted.verified_passed', 'counted.learners') }} as verified_passed_share,
        {{ share('counted.certificate_eligible', 'counted.learners') }} as certificate_eligible_share,
        {{ share('counted.audit_passed', 'counted.learners') }} as audit_passed_share
    from courses
    left join counted on courses.course = counted.course
    left join ever_verified on courses.course = ever_verified.course
)

select * from final
order by position
