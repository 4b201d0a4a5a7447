-- One row per thing about the folder's files and runs that a person should look at.
with

report_files as (
    select * from {{ ref('report_files') }}
),

rejected_rows as (
    select * from {{ ref('int_rejected_rows') }}
),

judged_files as (
    select * from {{ ref('int_report_files_judged') }}
),

downloads_compared as (
    select * from {{ ref('int_downloads_compared') }}
),

course_runs as (
    select * from {{ ref('int_course_runs') }}
),

rejected as (
    select
        report_files.file_name || ': ' || count(*) || ' of ' || any_value(report_files.row_count)
        || ' rows are not used; the table rejected_rows tells which and why.' as message
    from rejected_rows
    inner join report_files on rejected_rows.file_name = report_files.file_name
    where rejected_rows.is_of_learner
    group by report_files.file_name
),

ignored as (
    select
        file_name,
        report_kind,
        reason,
        {{ contains_match('lower(file_name)', "'[.]csv([.]csv|[.]txt)*$'") }} as is_csv
    from report_files
    where status = 'ignored' and reason not like 'a report on %, another program'
),

unowned as (
    select file_name || ': it is ignored; ' || reason || '.' as message
    from ignored
    where is_csv and report_kind in ('grade_report', 'student_profile_info', 'email_opt_in')
),

unread as (
    select
        'Not read, though by their names they are or may hold reports: '
        || {{ string_agg("file_name || ' (' || reason || ')'", "'; '", 'file_name') }} || '.' as message
    from ignored
    where not is_csv and report_kind in ('grade_report', 'student_profile_info', 'email_opt_in', 'packed')
    having count(*) > 0
),

twins as (
    select
        {{ string_agg('file_name', "', '", 'stamp_rank') }}
        || ': they are of one run, kind and stamp, and differ; the last of them counts.' as message
    from judged_files
    where status in ('used', 'superseded') and content_digest is not null
    group by run_key, report_kind, reported_at
    having count(distinct content_digest) > 1
),

losses as (
    select
        file_name || ': of the ' || earlier_learner_count || ' learners in ' || earlier_file_name
        || ' it lacks ' || learners_gone || ', and ' || certificates_gone || ' certificates are gone.'
        || if(
            learners_carried_over > 0,
            ' ' || learners_carried_over || ' of these learners stay as they were:'
            || ' edX lists nobody on their tracks any more.',
            ''
        )
        || if(
            learners_in_companion > 0,
            ' ' || companion_file_name || ' names ' || learners_in_companion
            || ' of them, whom edX could not grade: generate the report again.',
            ''
        )
        || if(
            learners_gone = learners_carried_over + learners_in_companion and learners_gone > 0,
            '',
            ' The download may have ended early, or been filtered or saved by a spreadsheet:'
            || ' compare the two, and download it again.'
        ) as message
    from downloads_compared
    where certificates_gone > 0 or learners_gone * 10 > earlier_learner_count
),

runs_in_doubt as (
    select
        'The run ' || course_instance || ' of ' || course
        || case doubt
            when 'no year' then ' has no year in its name'
            when 'no known term'
                then
                    ' is of ' || year || coalesce(', its term ' || term, '')
                    || ', and no term of it is known'
            else ' has the year and the term of another run'
        end
        || ': it stands as number ' || run_order || ' of the course''s runs, '
        || case doubt
            when 'no year' then 'before all that have one'
            when 'no known term' then 'before the others of that year'
            else 'by the time of its download'
        end
        || '. A year and a term for it can be given in seeds/course_runs.csv.' as message
    from course_runs
    where doubt is not null
),

final as (
    select message from rejected
    union all
    select message from unowned
    union all
    select message from unread
    union all
    select message from twins
    union all
    select message from losses
    union all
    select message from runs_in_doubt
)

select * from final
