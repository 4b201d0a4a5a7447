-- One row per file in the program's folder, with the one status that decides whether its rows count.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

owned as (
    select * from {{ ref('int_course_run_files') }}
),

contents as (
    select * from {{ ref('int_report_file_contents') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

placed as (
    select
        report_files.*,
        owned.program as owner,
        coalesce(owned.has_own_words, false) as has_own_words,
        if(this_program.program is null, null, owned.course) as course,
        if(this_program.program is null, null, owned.run_code) as run_code,
        -- the case of a name's letters varies between the downloads of one run
        lower(report_files.course_instance) as run_key,
        regexp_extract(report_files.file_name, '[^/]*$', 0) as base_name,
        if(
            report_files.report_kind = 'email_opt_in' or report_files.row_count is null,
            null,
            coalesce(contents.learner_count, 0)
        ) as learner_count,
        case
            when report_files.reported_at > {{ now_utc() }} + interval 1 day
                then 'its stamp is more than a day ahead of now: give it the stamp of its download'
            when
                contents.unusable_row_count = report_files.row_count
                or (
                    contents.unusable_row_count > 1
                    and contents.unusable_row_count * 10 > report_files.row_count
                )
                then
                    'line ' || contents.commonest_reason_line || ': ' || contents.commonest_reason
                    || ', and ' || contents.unusable_row_count || ' of ' || report_files.row_count
                    || ' rows cannot be used (a spreadsheet may have saved it): download it again'
        end as content_problem
    from report_files
    left join owned on report_files.file_id = owned.file_id
    left join this_program on owned.program = this_program.program
    left join contents on report_files.file_id = contents.file_id
),

judged as (
    select
        *,
        case
            when ignored_reason is not null
                then ignored_reason
            when has_own_words and course is not null
                then
                    'the run in its name, ' || run_code || ', has words of somebody''s own: give it'
                    || ' edX''s name, or, if edX calls the run so, add it to seeds/course_runs.csv'
            when owner is null and course_instance is not null
                then 'no course in seeds/courses.csv or course_aliases.csv has its prefix'
            when owner is not null and course is null
                then 'a report on ' || owner || ', another program'
        end as why_ignored,
        coalesce(refused_reason, content_problem) as why_refused,
        row_number() over (
            order by
                reported_at asc nulls first,
                coalesce(report_kind, '') = 'student_profile_info' asc,
                -- at one stamp the longer name is the later copy: storage and browsers append to it
                length(base_name) asc,
                base_name asc,
                file_name asc
        ) as stamp_rank
    from placed
),

ranked as (
    select
        *,
        first_value(file_name) over (
            -- what is of no run, as opt-in lists are, supersedes nothing
            partition by coalesce(run_key, file_name), report_kind, why_ignored is null
            order by stamp_rank desc
        ) as newest_file_name,
        -- as the newest grade report spells it, so that a run is one run wherever one counts or filters
        first_value(course_instance) over (
            partition by run_key
            order by
                why_ignored is null desc,
                coalesce(report_kind, '') = 'grade_report' desc,
                stamp_rank desc
        ) as run_as_spelt
    from judged
),

final as (
    select
        file_id,
        file_name,
        path,
        report_kind,
        course,
        run_as_spelt as course_instance,
        run_key,
        run_code,
        reported_at,
        stamp_rank,
        row_count,
        learner_count,
        size_bytes,
        content_digest,
        case
            when why_ignored is not null then 'ignored'
            when why_refused is not null then 'refused'
            when file_name = newest_file_name then 'used'
            else 'superseded'
        end as status,
        coalesce(
            why_ignored,
            why_refused,
            'a newer download of its run is here: ' || nullif(newest_file_name, file_name)
        ) as reason
    from ranked
)

select * from final
