-- One row per course of the program; a learner who took several runs counts once.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

courses_by_country_and_track as (
    select * from {{ ref('courses_by_country_and_track') }}
),

counted as (
    select
        course,
        sum(learners)::bigint as learners,
        sum(attempted)::bigint as attempted,
        sum(passed)::bigint as passed,
        sum(verified)::bigint as verified,
        sum(verified_passed)::bigint as verified_passed,
        sum(certificate_eligible)::bigint as certificate_eligible,
        sum(audit_passed)::bigint as audit_passed
    from courses_by_country_and_track
    group by course
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
        coalesce(counted.verified, 0) as verified,
        coalesce(counted.verified_passed, 0) as verified_passed,
        coalesce(counted.certificate_eligible, 0) as certificate_eligible,
        coalesce(counted.audit_passed, 0) as audit_passed,
        {{ share('counted.attempted', 'counted.learners') }} as attempted_share,
        {{ share('counted.passed', 'counted.learners') }} as passed_share,
        {{ share('counted.verified', 'counted.learners') }} as verified_share,
        {{ share('counted.verified_passed', 'counted.learners') }} as verified_passed_share,
        {{ share('counted.certificate_eligible', 'counted.learners') }} as certificate_eligible_share,
        {{ share('counted.audit_passed', 'counted.learners') }} as audit_passed_share
    from courses
    left join counted on courses.course = counted.course
)

select * from final
order by position
