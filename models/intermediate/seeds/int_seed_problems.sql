-- One row per thing that is wrong in a seed, or in the day that a build is to be of. The build stops at any.
{{ config(materialized='table', post_hook="{{ stop_with_messages(this) }}") }}

{%- set day = var('as_of', '') | string | replace("'", "''") %}

with

program_problems as (
    select * from {{ ref('int_program_problems') }}
),

course_problems as (
    select * from {{ ref('int_course_problems') }}
),

course_run_problems as (
    select * from {{ ref('int_course_run_problems') }}
),

requirement_problems as (
    select * from {{ ref('int_requirement_problems') }}
),

repeated_rows as (
    select * from {{ ref('int_seed_rows_repeated') }}
),

problems as (
    select * from program_problems
    union all
    select * from course_problems
    union all
    select * from course_run_problems
    union all
    select * from requirement_problems
    union all
    select * from repeated_rows
),

final as (
    select 'seeds/' || seed_row || ': ' || problem || '.' as message
    from problems
    union all
    select
        'The variable as_of, {{ day }}, is no day: expected one such as 2026-07-14,'
        || ' with --vars ''{program: {{ var("program") }}, as_of: 2026-07-14}''.' as message
    where {{ as_of() }} is null
)

select * from final
