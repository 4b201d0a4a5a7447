-- One row per reason why the program's folder cannot be reported on. The build stops at any.
{{ config(post_hook="{{ stop_with_messages(this) }}") }}

{%- set folder = env_var('MM_DATA_DIR', 'data') ~ '/' ~ var('program') %}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

refused as (
    select '{{ folder | replace("'", "''") }}/' || file_name || ': ' || reason || '.' as message
    from report_files
    where status = 'refused'
),

without_grade_report as (
    select
        'No grade report of {{ var("program") }} to read in {{ folder | replace("'", "''") }}'
        || ' (CSV files there: ' || count(*) filter (where lower(file_name) like '%.csv')
        || '). Expected names such as <file_prefix>_<run>_grade_report_<YYYY-MM-DD-HHMM>.csv,'
        || ' with a file_prefix of seeds/courses.csv.' as message
    from report_files
    having count(*) filter (where status in ('used', 'refused') and report_kind = 'grade_report') = 0
),

final as (
    select message from refused
    union all
    select message from without_grade_report
)

select * from final
