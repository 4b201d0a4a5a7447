-- One row per number of the summaries that is not what the long tables say.
{{ config(tags=['proof']) }}
with

course_summary as (
    select * from {{ ref('course_summary') }}
),

course_run_summary as (
    select * from {{ ref('course_run_summary') }}
),

program_summary as (
    select * from {{ ref('program_summary') }}
),

country_summary as (
    select * from {{ ref('country_summary') }}
),

certificate_summary as (
    select * from {{ ref('certificate_summary') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

learner_tracks as (
    select * from {{ ref('learner_tracks') }}
),

track_summary as (
    select * from {{ ref('track_summary') }}
),

coursecompletion as (
    select * from {{ ref('coursecompletion') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

course_instancedetails as (
    select * from {{ ref('course_instancedetails') }}
),

stages_by_country as (
    select * from {{ ref('stages_by_country') }}
),

learners_by_certificates as (
    select {{ unnest_list('learners_by_certificates') }} as learners
    from program_summary
),

pairs as (
    select
        'learners of all courses' as what,
        (select sum(learners) from course_summary) as summed,
        (select count(*) from learner_courses) as counted
    union all
    select
        'learners of all runs' as what,
        (select sum(learners) from course_run_summary) as summed,
        (select count(*) from course_instancedetails) as counted
    union all
    select
        'certificates' as what,
        (select sum(certificate_eligible) from course_summary) as summed,
        (select sum(no_certificate_eligible) from coursecompletion) as counted
    union all
    select
        'learners by certificates' as what,
        (select sum(learners) from learners_by_certificates) as summed,
        (select count(*) from coursecompletion) as counted
    union all
    select
        'learners with a complete track' as what,
        (select sum(whole_series_certified) from certificate_summary) as summed,
        (select count(distinct if(is_complete, student_id, null)) from learner_tracks) as counted
    union all
    select
        'nearest tracks' as what,
        (select sum(is_nearest::integer) from learner_tracks) as summed,
        (select count(*) from coursecompletion) as counted
    union all
    select
        'nearest tracks, by track' as what,
        (select sum(nearest) from track_summary) as summed,
        (select count(*) from coursecompletion) as counted
    union all
    select
        'complete tracks' as what,
        (select sum(complete) from track_summary) as summed,
        (select sum(is_complete::integer) from learner_tracks) as counted
    union all
    select
        'certificates to go' as what,
        (select sum(if(is_nearest, certificates_to_go, 0)) from learner_tracks) as summed,
        (select sum(certificates_to_go) from learner_progress) as counted
    union all
    select
        'learners of all countries' as what,
        (select sum(learners) from country_summary) as summed,
        (select count(*) from coursecompletion) as counted
    union all
    select
        'learners of all stages' as what,
        (select sum(learners) from stages_by_country) as summed,
        (select count(*) from coursecompletion) as counted
    {% set steps = {
        'attempted': 'best_grade > 0', 'passed': 'ever_passed', 'verified_passed': 'is_verified_passed',
        'certificate_eligible': 'is_certificate_eligible', 'audit_passed': 'is_audit_passed'
    } %}
    {% for step, rule in steps.items() %}
        union all
        select
            '{{ step }} of all courses' as what,
            (select sum({{ step }}) from course_summary) as summed,
            (select count(if({{ rule }}, 1, null)) from learner_courses) as counted
    {% endfor %}
    {% set steps = {
        'unenrolled': has_left('enrollment_status'), 'attempted': 'grade > 0',
        'certificate_eligible': "certificate_eligible = 'Y'", 'audit_passed': "audit_passed = 'Y'"
    } %}
    {% for step, rule in steps.items() %}
        union all
        select
            '{{ step }} of all runs' as what,
            (select sum({{ step }}) from course_run_summary) as summed,
            (select count(if({{ rule }}, 1, null)) from course_instancedetails) as counted
    {% endfor %}
),

-- who is certificate-eligible has passed; passing is no step behind attempting, because of edX's allowlist
funnels as (
    select
        'a step of ' || course as what,
        verified_passed as inner_step,
        least(passed, verified, certificate_eligible) as outer_step
    from course_summary
    union all
    select
        'a step of ' || course as what,
        certificate_eligible as inner_step,
        passed as outer_step
    from course_summary
    union all
    select
        'a step of ' || course as what,
        greatest(attempted, passed, verified, audit_passed) as inner_step,
        learners as outer_step
    from course_summary
    union all
    select
        'a step of ' || course_instance as what,
        greatest(attempted, passed, verified, unenrolled) as inner_step,
        learners as outer_step
    from course_run_summary
)

select
    what,
    summed,
    counted
from pairs
where coalesce(summed, 0) != coalesce(counted, 0)
union all
select
    what,
    inner_step as summed,
    outer_step as counted
from funnels
where inner_step > outer_step
