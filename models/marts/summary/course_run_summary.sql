-- One row per course run, in run order.
with

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

course_runs_by_country_and_track as (
    select * from {{ ref('course_runs_by_country_and_track') }}
),

counted as (
    select
        course_instance,
        sum(learners)::bigint as learners,
        sum(unenrolled)::bigint as unenrolled,
        sum(attempted)::bigint as attempted,
        sum(passed)::bigint as passed,
        sum(verified)::bigint as verified,
        sum(verified_passed)::bigint as verified_passed,
        sum(certificate_eligible)::bigint as certificate_eligible,
        sum(audit_passed)::bigint as audit_passed
    from course_runs_by_country_and_track
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
        course_runs.pass_grade,
        course_runs.run_code,
        {{ calls_auditors_eligible('course_runs.reported_at') }} as calls_auditors_eligible,
        course_runs.reported_at >= timestamp '2017-06-01' as tells_who_left,
        -- edX may leave audit learners out of a large course's report since then
        course_runs.reported_at >= timestamp '2020-01-01'
        and coalesce(counted.verified = counted.learners, false) as lists_verified_only
    from course_runs
    inner join courses on course_runs.course = courses.course
    left join counted on course_runs.course_instance = counted.course_instance
)

select * from final
order by position, run_order
