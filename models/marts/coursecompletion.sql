-- One row per learner: the MicroMasters report, a pair of columns for each course of the program in order.
{{ config(
    alias=var('program') ~ '_coursecompletion',
    contract={'enforced': false},
    materialized='incremental',
    pre_hook="{{ delete_where(is_touched('student_id')) }}"
) }}

{%- set courses = column_values(ref('this_program_courses'), 'course', order_by='position') %}

with

learners as (
    select * from {{ ref('learners') }}
    where {{ is_touched('student_id') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
    where {{ is_touched('student_id') }}
),

completed as (
    select
        student_id,
        {%- for course in courses %}
        any_value(enrollment_track) filter (where course = '{{ course }}') as {{ course }}_enrollment_track,
        any_value(passed) filter (where course = '{{ course }}') as {{ course }}_passed,
        {%- endfor %}
        count(*) filter (where is_certificate_eligible)::integer as no_certificate_eligible,
        count(*) filter (where is_audit_passed and not is_capstone)::integer as no_audited_passed
    from learner_courses
    group by student_id
),

final as (
    select
        learners.student_id,
        learners.username,
        learners.email,
        learners.name,
        {%- for course in courses %}
        if(completed.{{ course }}_passed is null, '-', completed.{{ course }}_enrollment_track)
        as {{ course }}_enrollment_track,
        coalesce(completed.{{ course }}_passed, '-') as {{ course }}_passed,
        {%- endfor %}
        coalesce(completed.no_certificate_eligible, 0) as no_certificate_eligible,
        coalesce(completed.no_audited_passed, 0) as no_audited_passed,
        learners.country
    from learners
    left join completed on learners.student_id = completed.student_id
)

select * from final
