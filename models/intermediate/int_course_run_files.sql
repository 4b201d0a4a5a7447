-- One row per file that is named after a run of some program's course.
{%- set between = '[ ._-]?' %}
{%- set season = 'spring|summer|fall|autumn|winter' %}
{#- a run code with its year and its term: what goes on behind it, but for a suffix, is nothing of edX's #}
{%- set year_and_term -%}
    (?:[0-9]{{ between }}[TQSH]{{ between }}[0-9]{4}|[TQSH][0-9]{{ between }}[0-9]{4}|[0-9]{4}{{ between }}[TQSH][0-9]|[0-9]{4}[ ._-][0-9]T?|(?:{{ season }}){{ between }}[0-9]{4}|[0-9]{4}{{ between }}(?:{{ season }}))
{%- endset %}

with

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

course_runs as (
    select * from {{ ref('course_runs') }}
),

-- course and run may both hold a _, so the longest prefix that fits is the course's and the rest is the run
prefixed as (
    select
        report_files.file_id,
        course_prefixes.program,
        course_prefixes.course,
        substr(report_files.course_instance, length(course_prefixes.file_prefix) + 2) as run_code,
        lower(report_files.course_instance) in (
            select lower(course_runs.course_instance) from course_runs
        ) as is_in_seed
    from report_files
    inner join course_prefixes
        on
            left(lower(report_files.course_instance), length(course_prefixes.file_prefix) + 1)
            = lower(course_prefixes.file_prefix) || '_'
    qualify row_number() over (
        partition by report_files.file_id
        order by
            length(course_prefixes.file_prefix) desc,
            -- a course may be in several programs
            course_prefixes.program = '{{ var("program") }}' desc,
            course_prefixes.program asc
    ) = 1
),

final as (
    select
        file_id,
        program,
        course,
        run_code,
        not is_in_seed and (
            -- edX takes every other character out of the names of files
            {{ contains_match('run_code', "'[^\\p{L}\\p{M}\\p{N}_.-]'") }}
            -- 1T2019_old, 1T2019old, old_1T2019; the run of a coach's course is none of these
            or {{ contains_match(
                replace_match('run_code', "'(?i)_ccx_[0-9]+$'", "''"),
                "'(?i)^" ~ year_and_term ~ "(?:[a-z]{3}|[a-z]{0,2}(?:[_.-][0-9]+)?[ ._-]+[a-z])'"
            ) }}
            or {{ contains_match('run_code', "'(?i)^[a-z][a-z0-9]*[ ._-]+" ~ year_and_term ~ "'") }}
            -- behind a year alone, most words are a term's
            or {{ contains_match(
                'run_code', "'(?i)^[0-9]{4}[ ._-]+(?:old|new|final|latest|backup|copy|test|week)'"
            ) }}
        ) as has_own_words
    from prefixed
    -- 3_1T2017 behind 6.041x is run 1T2017 of another course, 6.041x_3
    where is_in_seed or not {{ contains_match('run_code', "'^[0-9]{1,2}_'") }}
)

select * from final
