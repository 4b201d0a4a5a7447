-- One row per CSV file in the program's folder, with the one status that decides whether its rows count.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('stg_edx__report_files') }}
),

course_prefixes as (
    select * from {{ ref('int_course_prefixes') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

-- course and run may both hold a _, so the longest prefix that fits is the course's and the rest is the run
owned as (
    select
        report_files.file_id,
        course_prefixes.program,
        course_prefixes.course,
        substr(report_files.course_instance, length(course_prefixes.file_prefix) + 2) as run_code,
    from report_files
    inner join course_prefixes
        on starts_with(lower(report_files.course_instance), lower(course_prefixes.file_prefix) || '_')
    qualify row_number() over (
        partition by report_files.file_id order by length(course_prefixes.file_prefix) desc
    ) = 1
),

placed as (
    select
        report_files.*,
        owned.program as owner,
        if(this_program.program is null, null, owned.course) as course,
        if(this_program.program is null, null, owned.run_code) as run_code,
        -- the case of a name's letters varies between the downloads of one run
        lower(report_files.course_instance) as run_key,
    from report_files
    left join owned on report_files.file_id = owned.file_id
    left join this_program on owned.program = this_program.program
),

ranked as (
    select
        *,
        (course is not null or report_kind = 'email_opt_in') and ignored_reason is null as is_ours,
        first_value(file_name) over (
            -- what is of no run, as opt-in lists are, supersedes nothing
            partition by coalesce(run_key, file_name), report_kind, ignored_reason is null
            -- at one stamp the longer name is the later copy: storage and browsers append to it
            order by reported_at desc, length(file_name) desc, file_name desc
        ) as newest_file_name,
    from placed
),

final as (
    select
        file_id,
        file_name,
        path,
        report_kind,
        course,
        course_instance,
        run_key,
        run_code,
        reported_at,
        row_count,
        size_bytes,
        case
            when not is_ours then 'ignored'
            when refused_reason is not null then 'refused'
            when file_name = newest_file_name then 'used'
            else 'superseded'
        end as status,
        case
            when ignored_reason is not null then ignored_reason
            when not is_ours and owner is null
                then 'no course in seeds/courses.csv or course_aliases.csv has its prefix'
            when not is_ours then 'a report on ' || owner || ', another program'
            when refused_reason is not null then refused_reason
            when file_name != newest_file_name
                then 'a newer download of its run is here: ' || newest_file_name
        end as reason,
    from ranked
)

select * from final
